package rules

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

var update = flag.Bool("update", false, "write the golden files anew")

// smallTable is a field table of a few names.
func smallTable(t testing.TB) *winnow.FieldTable {
	t.Helper()
	table := &winnow.FieldTable{}
	csv := "field,control,volatile\nuser,identity,\nsrc,system,\ndest,system,\naction,system,\nprocess_name,attacker,\nbytes,system,\n" +
		"note,attacker,\n"
	if err := table.Read("fields.csv", strings.NewReader(csv)); err != nil {
		t.Fatal(err)
	}
	return table
}

func smallLists(t testing.TB) *Lists {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "vpn_users.txt"), "ann\nbob\n")
	write(t, filepath.Join(dir, "vpn_egress.cidr"), "10.8.0.0/16\n")
	var long strings.Builder
	for i := range 2500 {
		fmt.Fprintf(&long, "v%d\n", i)
	}
	write(t, filepath.Join(dir, "long.txt"), long.String())
	lists, err := LoadLists(ListOptions{Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	return lists
}

// Messages are part of the product: each file in testdata/errors has beside it the exact text of
// what is said about it, on load and on check.
func TestErrorTexts(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	fields := smallTable(t)
	fields.MarkRaw("Raw events")
	if err := fields.Parse("more.csv", "field,control,volatile,search\nnote,system,,Sensor\n"); err != nil {
		t.Fatal(err)
	}
	opts := Options{Fields: fields, Lists: smallLists(t), Now: fixedNow}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			set, err := Load(opts, file)
			var b strings.Builder
			for _, e := range append(Errors(err), set.Check()...) {
				b.WriteString(filepath.ToSlash(e.Detail()) + "\n")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), b.String()); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
