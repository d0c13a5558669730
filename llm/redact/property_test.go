package redact

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// pieces are what hostile text is made of here.
var pieces = []string{
	"[", "]", "<", ">", "[user:", "[user:abcdefgh", "abcdefgh]", "[ip4:abcdefgh.abcd]", "[secret:aws]", "[text:", "user", "@", `\`, `\\`, ".", ":", "/", " ", "$", "=", "-", "%5C", "ann", "ANN",
	"ws12", ".corp.example", "10.1.2.3", "10.1.2", ".3", "::", "fd00::1", "fe80", "00:11:22:33:44:55", `C:\Users\`, "/home/", "S-1-5-21-1-2-3", "-500", "\xff", "é", "É", "\u212a", "İ", "\n", `"`, "'", "user=", "in-addr.arpa", "ip-10-1-2-3",
	"bob@partner.example", "ann@corp.example", "x", "1", ",", "${",
}

func hostile(t *rapid.T, label string) string {
	if rapid.IntRange(0, 9).Draw(t, label+" free") == 0 {
		return rapid.String().Draw(t, label)
	}
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, label), "")
}

func hasSecret(text string) bool { return strings.Contains(text, "[secret:") }

// Undo takes Hide back to the letter, whatever stands in the alert and in the text.
func TestUndoTakesHideBack(t *testing.T) {
	r := testRedactor(t)
	rapid.Check(t, func(t *rapid.T) {
		fields := winnow.Fields{}
		for _, name := range []string{"user", "src", "dest", "dvc", "src_nt_domain", "process", "recipient"} {
			fields.Add(name, hostile(t, name))
		}
		v := r.View(alert(fields), nil)
		for _, f := range v.Fields {
			if !hasSecret(f.Values[0]) && v.Undo(f.Values[0]) != fields[f.Name][0] {
				t.Fatalf("%s: %q is sent as %q, undone to %q", f.Name, fields[f.Name][0], f.Values[0], v.Undo(f.Values[0]))
			}
		}
		text := hostile(t, "text")
		if hidden := v.Hide(text); !hasSecret(hidden) && v.Undo(hidden) != text {
			t.Fatalf("%q is sent as %q, undone to %q", text, hidden, v.Undo(hidden))
		}
	})
}

// letters makes a name that stands in no list.
func letters(t *rapid.T, label string) string {
	return "q" + rapid.StringMatching(`[a-z]{4,9}`).Draw(t, label) + "z"
}

// Nothing of what is replaced remains, wherever in the alert it stands, and in whatever case.
func TestNothingRemains(t *testing.T) {
	r := testRedactor(t)
	rapid.Check(t, func(t *rapid.T) {
		user, host, domain := letters(t, "user"), letters(t, "host"), letters(t, "domain")
		if user == host || host == domain || domain == user {
			t.Skip("one name for two things")
		}
		address := fmt.Sprintf("10.%d.%d.%d", rapid.IntRange(0, 255).Draw(t, "b"), rapid.IntRange(0, 255).Draw(t, "c"), rapid.IntRange(0, 255).Draw(t, "d"))
		fields := winnow.Fields{
			rapid.SampledFrom([]string{"user", "src_user", "vendor.actor.userName"}).Draw(t, "user field"):      {rapid.SampledFrom([]string{user, domain + `\` + user, user + "@corp.example"}).Draw(t, "form")},
			rapid.SampledFrom([]string{"host", "dvc", "dest_nt_host", "vendor.hostName"}).Draw(t, "host field"): {rapid.SampledFrom([]string{host, host + ".corp.example", host + "$"}).Draw(t, "host form")},
			"src_nt_domain": {domain},
			"src_ip":        {address},
		}
		secrets := []string{user, host, domain, address, "corp.example"}
		for _, name := range []string{"process", "body", "url", "file_path"} {
			var b strings.Builder
			for range rapid.IntRange(0, 6).Draw(t, name) {
				part := rapid.SampledFrom(append(secrets, "a", "=", ":", `\`, "/", " ", "-", "@", ",", "(", "<", "cmd.exe", "8.8.8.8 ", "%20")).Draw(t, "part")
				if rapid.Bool().Draw(t, "upper") {
					part = strings.ToUpper(part)
				}
				b.WriteString(part)
			}
			fields.Add(name, b.String())
		}
		v := r.View(alert(fields), nil)
		for _, f := range v.Fields {
			sent := fold(tokenShape.ReplaceAllString(strings.Join(f.Values, "|"), "<>"))
			for _, s := range secrets {
				if s == address && strings.Contains(sent, s) && digitBeside(sent, s) {
					continue // another number
				}
				if strings.Contains(sent, s) && s != "corp.example" || strings.Contains(sent, "<>.corp.example") {
					t.Fatalf("%s: %q is sent as %q: %q remains", f.Name, fields[f.Name], f.Values, s)
				}
			}
		}
	})
}

// digitBeside reports whether the address is part of a longer number.
func digitBeside(text, address string) bool {
	i := strings.Index(text, address)
	end := i + len(address)
	return i > 0 && (isDigit(text[i-1]) || text[i-1] == '.') || end < len(text) && (isDigit(text[end]) || text[end] == '.')
}

// The dictionary finds what looking for each name alone finds.
func TestNamesAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := newNames()
		words := rapid.SliceOfN(rapid.StringMatching(`[ab]{6,9}|[ab.]{6,8}`), 1, 8).Draw(t, "words")
		for _, w := range words {
			n.add(kindUser, w)
		}
		text := rapid.StringMatching(`[ab.]{0,40}`).Draw(t, "text")
		got := map[string]bool{}
		n.find(text, func(from, to int, _ kind) { got[fmt.Sprint(from, " ", text[from:to])] = true })
		for _, e := range n.entries {
			for i := 0; i+len(e.text) <= len(text); i++ {
				if key := fmt.Sprint(i, " ", e.text); (text[i:i+len(e.text)] == e.text) != got[key] {
					t.Fatalf("%q in %q at %d: found is %t", e.text, text, i, got[key])
				}
			}
		}
	})
}

func FuzzHide(f *testing.F) {
	for _, p := range pieces {
		f.Add(p, p+" "+p)
	}
	r := testRedactor(f)
	f.Fuzz(func(t *testing.T, user, text string) {
		v := r.View(alert(winnow.Fields{"user": {user}, "dest": {user}, "body": {text}}), nil)
		hidden := v.Hide(text)
		if len(text) < maxText && !hasSecret(hidden) && v.Undo(hidden) != text {
			t.Fatalf("%q is sent as %q, undone to %q", text, hidden, v.Undo(hidden))
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"user":"ann","a":[1,true,null,{"b":"\u0061"}]}`, `"x"`, `[`, `1e5`, `{"a":1}{`} {
		f.Add([]byte(s))
	}
	r := testRedactor(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		v := r.View(alert(winnow.Fields{"user": {"ann"}}), nil)
		hidden, err := v.HideJSON(in)
		if err != nil {
			return
		}
		if _, err := v.UndoJSON(hidden); err != nil {
			t.Fatalf("%s is sent as %s, which is no JSON: %v", in, hidden, err)
		}
	})
}

// typical is an alert of the usual size.
func typical() *winnow.Alert {
	return alert(winnow.Fields{
		"user": {`CORP\ann.example`}, "src": {"10.1.2.3"}, "dest": {"ws12.corp.example"}, "dvc": {"dc01"}, "action": {"allowed"},
		"process":        {`"C:\Windows\System32\cmd.exe" /c net use \\fs01\share /user:CORP\ann.example & copy C:\Users\ann.example\x.zip \\fs01\share`},
		"parent_process": {`C:\Windows\explorer.exe`}, "signature": {"Suspicious copy to share"}, "process_hash": {"SHA256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		"body": {strings.Repeat("2026-01-02T03:04:05Z dc01 sshd[1]: Accepted password for ann.example from 10.1.2.3 port 51515 ssh2; ", 10)},
	})
}

func BenchmarkView(b *testing.B) {
	r, a := testRedactor(b), typical()
	for b.Loop() {
		r.View(a, nil)
	}
}

// The cost grows with the text and not faster, also for text made to cost.
func BenchmarkHostile(b *testing.B) {
	r := testRedactor(b)
	for name, piece := range map[string]string{
		"colons": ":", "hex": "fd00:", "ats": "a@", "dots": "1.", "backslashes": `\`, "passwords": "password=", "names": "annannann", "tokens": "[user:", "quotes": `password="`, "slashes": "://a:", "net": "net use ", "net user": "net user ", "psexec": "psexec ", "curl": "curl -u",
		"begin": "-----begin private key", "echo": "echo -e ", "homes": `\users\`, "hosts": "a.", "equals": "a=", "users": "user=",
	} {
		for _, size := range []int{12 << 10, 48 << 10} {
			b.Run(fmt.Sprintf("%s/%dk", name, size>>10), func(b *testing.B) {
				v := r.View(alert(winnow.Fields{"user": {"annannannb", "annann", "annannann"}}), nil)
				text := strings.Repeat(piece, size/len(piece))
				for b.Loop() {
					v.Hide(text)
				}
			})
		}
	}
	b.Run("many names", func(b *testing.B) {
		var users []string
		for i := range 2000 {
			users = append(users, fmt.Sprintf("user%06d", rand.IntN(1000000)+i))
		}
		a := alert(winnow.Fields{"user": users, "body": {strings.Join(users, " ")}})
		for b.Loop() {
			r.View(a, nil)
		}
	})
}
