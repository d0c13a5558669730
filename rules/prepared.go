package rules

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"go.yaml.in/yaml/v3"
)

// Prepared holds rule and escalate files in the form that YAML makes of them, by the hash of their
// text. Reading YAML is a third of what the alert action does for one alert, so the worker leaves
// this file for it. What is not in it, or not as it was, is read as YAML: a Prepared file can be
// late, but it cannot be wrong about a text that has changed. Safe for concurrent use.
type Prepared struct {
	trees map[[sha256.Size]byte][]byte
}

// preparedMagic begins the file; another version of this program writes another.
const preparedMagic = "winnow prepared rules 1\n"

// maxPrepared bounds the file; far larger rule sets are read as YAML.
const maxPrepared = 16 << 20

// WritePrepared reads rule and escalate files, or folders of them, and writes what the alert
// action reads instead: mode 0600, all or nothing. Files that are not YAML are left out.
func WritePrepared(path string, sources ...string) error {
	out := []byte(preparedMagic)
	eachFile(sources, func(_, _ string, data []byte) []*Error {
		root, err := decodeYAML(withoutTests(data))
		if err != nil {
			return nil
		}
		if tree, ok := appendTree(nil, root); ok {
			sum := sha256.Sum256(data)
			out = append(out, sum[:]...)
			out = binary.AppendUvarint(out, uint64(len(tree)))
			out = append(out, tree...)
		}
		return nil
	})
	if len(out) > maxPrepared {
		out = []byte(preparedMagic)
	}
	sum := sha256.Sum256(out)
	if err := replaceFile(path, append(out, sum[:]...)); err != nil {
		return fmt.Errorf("write prepared rules: %w", err)
	}
	return nil
}

// ReadPrepared reads the file. Without one it returns nil, which holds nothing; so does a damaged
// one, with an error that says so.
func ReadPrepared(path string) (*Prepared, error) {
	data, err := readCapped(path, maxPrepared+sha256.Size)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // nil holds nothing
	}
	if err != nil {
		return nil, fmt.Errorf("read prepared rules: %w", err)
	}
	p, err := parsePrepared(data)
	if err != nil {
		return nil, fmt.Errorf("read prepared rules: %s: %w: rules are read from their files", path, err)
	}
	return p, nil
}

var errPrepared = errors.New("damaged, or of another version")

func parsePrepared(data []byte) (*Prepared, error) {
	if len(data) < len(preparedMagic)+sha256.Size || string(data[:len(preparedMagic)]) != preparedMagic {
		return nil, errPrepared
	}
	body, want := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], want) {
		return nil, errPrepared
	}
	p := &Prepared{trees: map[[sha256.Size]byte][]byte{}}
	for rest := body[len(preparedMagic):]; len(rest) > 0; {
		if len(rest) < sha256.Size {
			return nil, errPrepared
		}
		size, n := binary.Uvarint(rest[sha256.Size:])
		from := sha256.Size + n
		if n <= 0 || size > uint64(len(rest)-from) {
			return nil, errPrepared
		}
		p.trees[[sha256.Size]byte(rest)] = rest[from : from+int(size)]
		rest = rest[from+int(size):]
	}
	return p, nil
}

// tree returns what a text was read as, or false.
func (p *Prepared) tree(text []byte) (*yaml.Node, bool) {
	if p == nil {
		return nil, false
	}
	tree, ok := p.trees[sha256.Sum256(text)]
	if !ok {
		return nil, false
	}
	r := treeReader{rest: tree}
	root := r.node(0)
	return root, !r.bad && len(r.rest) == 0
}

// appendTree writes a node: kind, style, line, column, tag, value, number of children, children.
// It reports false for what rule files may not have.
func appendTree(out []byte, n *yaml.Node) ([]byte, bool) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return nil, false
	}
	for _, v := range []int{int(n.Kind), int(n.Style), n.Line, n.Column} {
		out = binary.AppendUvarint(out, uint64(v))
	}
	for _, s := range []string{n.Tag, n.Value} {
		out = binary.AppendUvarint(out, uint64(len(s)))
		out = append(out, s...)
	}
	out = binary.AppendUvarint(out, uint64(len(n.Content)))
	var ok bool
	for _, child := range n.Content {
		if out, ok = appendTree(out, child); !ok {
			return nil, false
		}
	}
	return out, true
}

// treeReader reads nodes back. Nothing that it is given makes it fail in any other way than by
// setting bad.
type treeReader struct {
	rest []byte
	bad  bool
}

// maxTreeDepth is far deeper than rule files are.
const maxTreeDepth = 64

func (r *treeReader) node(depth int) *yaml.Node {
	n := &yaml.Node{Kind: yaml.Kind(r.number()), Style: yaml.Style(r.number())}
	n.Line, n.Column = int(r.number()), int(r.number())
	n.Tag, n.Value = r.text(), r.text()
	count := r.number()
	if depth > maxTreeDepth || count > uint64(len(r.rest)) {
		r.bad = true
	}
	if r.bad || count == 0 {
		return n
	}
	n.Content = make([]*yaml.Node, 0, count)
	for range count {
		n.Content = append(n.Content, r.node(depth+1))
		if r.bad {
			return n
		}
	}
	return n
}

func (r *treeReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > 1<<31 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *treeReader) text() string {
	size := r.number()
	if size > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:size])
	r.rest = r.rest[size:]
	return s
}
