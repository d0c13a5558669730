package rules

import (
	"bytes"
	"testing"

	"github.com/winnow-soc/winnow"
)

// writtenAndRead takes a condition through bytes and back.
func writtenAndRead(t testing.TB, text string, c *condition, lists *Lists) *condition {
	t.Helper()
	data, ok := writeCondition(c)
	if !ok {
		t.Fatalf("%s cannot be written", text)
	}
	back, ok := readCondition(string(data), lists)
	if !ok {
		t.Fatalf("%s cannot be read again", text)
	}
	if again, ok := writeCondition(back); !ok || !bytes.Equal(data, again) {
		t.Fatalf("%s is another condition when it is read again", text)
	}
	return back
}

// TestConditionOverChangedLists: bytes that name a list that no longer serves are not taken, so
// that the text is read, and says what is wrong.
func TestConditionOverChangedLists(t *testing.T) {
	dir := t.TempDir()
	load := func(name, text string) *Lists {
		t.Helper()
		write(t, dir+"/"+name, text)
		lists, err := LoadLists(ListOptions{Folders: []string{dir}})
		if err != nil {
			t.Fatal(err)
		}
		return lists
	}
	lists := load("nets.txt", "10.0.0.0/8\n")
	for _, c := range []struct{ text, now string }{
		{`cidr(event.src, lists.nets)`, "ann\n"},
		{`any(lists.nets, # == event.user)`, manyLines(maxListLoop + 1)},
	} {
		cond, err := parseCondition(c.text, vocabulary{lists: lists, unproven: true, compareFields: true})
		if err != nil {
			t.Fatal(err)
		}
		data, _ := writeCondition(cond)
		if _, ok := readCondition(string(data), lists); !ok {
			t.Errorf("%s is not taken over the list it was read with", c.text)
		}
		if _, ok := readCondition(string(data), load("nets.txt", c.now)); ok {
			t.Errorf("%s is taken over a list that does not fit", c.text)
		}
		if _, ok := readCondition(string(data), nil); ok {
			t.Errorf("%s is taken without its list", c.text)
		}
	}
	// What a value must fit hangs on the list as it is now: 10.1.2.3 lies in the network, and "x"
	// is nothing that a list of networks can speak of.
	const text = `none(values(event.src), # in lists.nets)`
	cond, err := parseCondition(text, vocabulary{lists: load("nets.txt", "ann\n"), unproven: true})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := writeCondition(cond)
	back, ok := readCondition(string(data), load("nets.txt", "10.0.0.0/8\n"))
	if !ok {
		t.Fatal("not taken")
	}
	for value, want := range map[string]bool{"10.1.2.3": false, "x": false, "192.0.2.1": true} {
		got, err := back.program().every(&winnow.Alert{Fields: winnow.Fields{"src": {value}}})
		if got != want || err != nil {
			t.Errorf("%s on %q: %v, %v", text, value, got, err)
		}
	}
}

func manyLines(n int) string {
	var b bytes.Buffer
	for i := range n {
		b.WriteString("v")
		for ; i > 0; i /= 26 {
			b.WriteByte(byte('a' + i%26))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// FuzzConditionBytes: bytes of any origin are a condition that can be asked, or are refused.
func FuzzConditionBytes(f *testing.F) {
	v, _ := meaningLists(f)
	w := &author{Rand: newRand(3)}
	for range 200 {
		c, err := parseCondition(w.cond(w.IntN(4)), v)
		if err != nil {
			continue
		}
		data, _ := writeCondition(c)
		f.Add(data)
	}
	alerts := []*winnow.Alert{w.alert(), w.alert(), {}}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, ok := readCondition(string(data), v.lists)
		if !ok {
			return
		}
		again, ok := writeCondition(c)
		if back, read := readCondition(string(again), v.lists); !ok || !read {
			t.Errorf("cannot be written again: %v", back)
		}
		for _, a := range alerts {
			_, _ = c.program().every(a)
			c.program().any(a)
		}
	})
}
