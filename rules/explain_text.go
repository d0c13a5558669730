package rules

import (
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser/lexer"
	"go.yaml.in/yaml/v3"
)

// written is the text of a condition, for finding again where its parts stand.
type written struct {
	text   []rune
	tokens []lexer.Token
	spans  map[ast.Node][2]int
}

func newWritten(text string) written {
	tokens, err := lexer.Lex(file.NewSource(text))
	if err != nil {
		tokens = nil // it was parsed, so there are tokens; without them parts are shown a little short
	}
	return written{text: []rune(text), tokens: tokens, spans: map[ast.Node][2]int{}}
}

// nodesOf returns the nodes of the parts below a connective.
func nodesOf(c *cond, n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if c.op == condNot {
			return []ast.Node{n.Node}
		}
	case *ast.BinaryNode:
		if c.op == condAnd || c.op == condOr {
			return []ast.Node{n.Left, n.Right}
		}
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	}
	return nil
}

func (op condOp) name() string {
	switch op {
	case condAnd:
		return "and"
	case condOr:
		return "or"
	case condNot:
		return "not"
	case condChoose:
		return "choose"
	case condHas:
		return "has"
	case condAtom:
		return "atom"
	case condLiteral:
	}
	return "literal"
}

// span returns where a node's text begins and ends. The nodes carry the places of their words, and
// not those of the brackets around them: these are what is added until they balance.
func (w *written) span(n ast.Node) (at, end int) {
	if s, ok := w.spans[n]; ok {
		return s[0], s[1]
	}
	v := &reach{}
	ast.Walk(&n, v)
	at, end = start(n), v.end
	at, end = w.balance(min(at, len(w.text)), min(max(at, end), len(w.text)))
	w.spans[n] = [2]int{at, end}
	return at, end
}

// reach is a visitor that finds the last character that a node or one below it carries.
type reach struct{ end int }

func (v *reach) Visit(n *ast.Node) { v.end = max(v.end, (*n).Location().To) }

// balance widens a stretch of the text until it holds both brackets of each pair.
func (w *written) balance(at, end int) (from, to int) {
	first, last := 0, -1
	for i, t := range w.tokens {
		if t.From < at {
			first = i + 1
		}
		if t.Kind != lexer.EOF && t.From < end {
			last = i
		}
	}
	open, unopened := 0, 0
	for i := first; i <= last; i++ {
		switch bracket(w.tokens[i]) {
		case 1:
			open++
		case -1:
			if open--; open < 0 {
				open, unopened = 0, unopened+1
			}
		}
	}
	for first--; unopened > 0 && first >= 0; first-- {
		unopened -= bracket(w.tokens[first])
		at = w.tokens[first].From
	}
	for last++; open > 0 && last < len(w.tokens); last++ {
		open += bracket(w.tokens[last])
		end = max(end, w.tokens[last].To)
	}
	return at, end
}

// bracket is 1 for an opening bracket, -1 for a closing one, 0 for other tokens.
func bracket(t lexer.Token) int {
	switch {
	case t.Is(lexer.Bracket, "(", "[", "{"):
		return 1
	case t.Is(lexer.Bracket, ")", "]", "}"):
		return -1
	}
	return 0
}

func (w *written) cut(at, end int) string { return string(w.text[at:min(end, len(w.text))]) }

// whenFile is a rule file, read again to find the lines of its conditions.
type whenFile struct {
	document
	whens map[[2]int]*yaml.Node // by the place of their rule
}

// locator returns the function that says where in its file a character of the rule's condition is,
// nil when the file is no longer what it was.
func (x *Explainer) locator(r *Rule) func(at int) (line, column int) {
	f, ok := x.files[r.Pos.File]
	if !ok {
		f = readWhenFile(r.Pos.File)
		if x.files == nil {
			x.files = map[string]*whenFile{}
		}
		x.files[r.Pos.File] = f
	}
	n := f.whens[[2]int{r.Pos.Line, r.Pos.Column}]
	if n == nil || n.Value != r.When {
		return nil
	}
	return func(at int) (line, column int) { return f.locate(n, at) }
}

func readWhenFile(path string) *whenFile {
	f := &whenFile{whens: map[[2]int]*yaml.Node{}}
	data, err := readCapped(path, maxFileBytes)
	if err != nil {
		return f
	}
	f.document = document{file: path, data: data}
	if root, err := decodeYAML(data); err == nil {
		f.collect(root)
	}
	return f
}

func (f *whenFile) collect(n *yaml.Node) {
	for i, kid := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && kid.Value == "when" && i+1 < len(n.Content) {
			f.whens[[2]int{n.Line, n.Column}] = n.Content[i+1]
		}
		f.collect(kid)
	}
}
