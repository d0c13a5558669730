package crash_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow/plugin/crash"
)

// TestTable holds the list of points against the code: every point is in the list, and everything in the
// list is passed somewhere.
func TestTable(t *testing.T) {
	places := map[string][]string{}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "build") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			pointsOf(t, path, places)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, p := range crash.Points {
		if listed[p.Name] || p.Dies == "" || p.In != crash.Action && p.In != crash.Worker {
			t.Errorf("%+v: listed twice, or not whole", p)
		}
		listed[p.Name] = true
		if len(places[p.Name]) == 0 {
			t.Errorf("%s is listed, and passed nowhere", p.Name)
		}
	}
	for name, at := range places {
		if !listed[name] {
			t.Errorf("%s at %v is not listed in crash.Points", name, at)
		}
	}
}

// pointsOf finds the calls of crash.Point in a file.
func pointsOf(t *testing.T, path string, places map[string][]string) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || fun.Sel.Name != "Point" {
			return true
		}
		if pkg, ok := fun.X.(*ast.Ident); !ok || pkg.Name != "crash" {
			return true
		}
		name := ""
		if lit, ok := call.Args[0].(*ast.BasicLit); ok {
			name, _ = strconv.Unquote(lit.Value)
		}
		if name == "" {
			t.Errorf("%s: the name of a point is no text", set.Position(call.Pos()))
		}
		places[name] = append(places[name], set.Position(call.Pos()).String())
		return true
	})
}

// TestReleaseHasNone builds the alert action as it is released: no point is in it, nor what would read where
// to die. The same is asked of the worker by the end-to-end test, which builds that one.
func TestReleaseHasNone(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	out := filepath.Join(t.TempDir(), "winnow_triage")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, "../cmd/winnow_triage")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if found := crash.In(program); len(found) > 0 {
		t.Errorf("the program holds %v", found)
	}
}
