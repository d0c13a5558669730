package approve

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// Signers are the people who may approve, and the keys that count no more.
type Signers struct {
	entries []entry
	revoked map[string]bool // keys in wire format
}

// entry is a line of the file of allowed signers.
type entry struct {
	principal     string
	key           string // in wire format
	namespaces    []string
	after, before time.Time // when it counts; zero: always
}

// maxFile bounds what is read of signers and approvals.
const maxFile = 4 << 20

// ReadSigners reads the files. Without a file of allowed signers nobody may approve; a file that is there
// and cannot be read in full is an error, and then nobody may either.
func ReadSigners(allowed, revoked string) (*Signers, error) {
	data, err := readFile(allowed)
	if err != nil {
		return nil, fmt.Errorf("allowed signers: %w", err)
	}
	s, err := ParseSigners(data)
	if err != nil {
		return nil, fmt.Errorf("allowed signers: %s: %w", allowed, err)
	}
	if revoked == "" {
		return s, nil
	}
	if data, err = readFile(revoked); err != nil {
		return nil, fmt.Errorf("revoked keys: %w", err)
	}
	if err := s.revoke(data); err != nil {
		return nil, fmt.Errorf("revoked keys: %s: %w", revoked, err)
	}
	return s, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// ParseSigners reads a file of allowed signers: a principal, options, a key and a comment in each line.
func ParseSigners(data []byte) (*Signers, error) {
	s := &Signers{revoked: map[string]bool{}}
	for i, line := range strings.Split(string(data), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

func parseEntry(line string) (e entry, err error) {
	principal, rest, ok := strings.Cut(line, " ")
	if !ok {
		return e, errors.New("want a principal, options, and a public key")
	}
	e.principal = strings.Trim(principal, `"`)
	if e.principal == "" || strings.ContainsAny(e.principal, "*?!,\"\t") {
		return e, fmt.Errorf("%q does not name one principal: two people behind one pattern would count as one", principal)
	}
	key, _, options, more, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil || len(bytes.TrimSpace(more)) > 0 {
		return e, errors.New("the public key cannot be read")
	}
	if err := checkKey(key); err != nil {
		return e, err
	}
	e.key = string(key.Marshal())
	for _, o := range options {
		if err := e.option(o); err != nil {
			return e, err
		}
	}
	return e, nil
}

func (e *entry) option(text string) (err error) {
	name, value, _ := strings.Cut(text, "=")
	value = strings.Trim(value, `"`)
	switch strings.ToLower(name) {
	case "namespaces":
		e.namespaces = strings.Split(value, ",")
	case "valid-after":
		e.after, err = parseTime(value)
	case "valid-before":
		e.before, err = parseTime(value)
	default:
		err = fmt.Errorf("option %q is not known here (want namespaces, valid-after, valid-before)", name)
	}
	return err
}

// parseTime reads the times of allowed signers, as UTC.
func parseTime(text string) (time.Time, error) {
	text = strings.TrimSuffix(text, "Z")
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if at, err := time.Parse(layout, text); err == nil && len(text) == len(layout) {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time like 20270131", text)
}

// revoke reads a list of public keys.
func (s *Signers) revoke(data []byte) error {
	if bytes.HasPrefix(data, []byte("SSHKRL")) {
		return errors.New("this is a binary key revocation list (want public keys, one a line)")
	}
	for i, line := range strings.Split(string(data), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return fmt.Errorf("line %d: the public key cannot be read", i+1)
		}
		s.revoked[string(key.Marshal())] = true
	}
	return nil
}

// may says until when a principal may approve with a key; the error says why not.
func (s *Signers) may(principal string, key ssh.PublicKey, now time.Time) (until time.Time, err error) {
	wire := string(key.Marshal())
	if s.revoked[wire] {
		return until, errors.New("the key was revoked")
	}
	err = errors.New("the key is not one of theirs in the file of allowed signers")
	for _, e := range s.entries {
		if e.key != wire || !strings.EqualFold(e.principal, principal) {
			continue
		}
		switch {
		case e.namespaces != nil && !has(e.namespaces, Namespace):
			err = errors.New("the key is not allowed for name space " + Namespace)
		case !e.after.IsZero() && now.Before(e.after):
			err = errors.New("the key is not valid yet")
		case !e.before.IsZero() && !now.Before(e.before):
			err = errors.New("the key has expired")
		default:
			return e.before, nil
		}
	}
	return until, err
}

func has(list []string, want string) bool {
	for _, one := range list {
		if strings.TrimSpace(one) == want {
			return true
		}
	}
	return false
}

// owns reports whether a key is one of a principal's.
func (s *Signers) owns(principal, wire string) bool {
	for _, e := range s.entries {
		if e.key == wire && strings.EqualFold(e.principal, principal) {
			return true
		}
	}
	return false
}

// Who returns the principals that a key belongs to, in the order of the file.
func (s *Signers) Who(key ssh.PublicKey) (names []string) {
	wire := string(key.Marshal())
	for _, e := range s.entries {
		if e.key == wire && !has(names, e.principal) {
			names = append(names, e.principal)
		}
	}
	return names
}
