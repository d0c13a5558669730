package approve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/rules"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const owner = "detection@corp.example"

// person is somebody with a key.
type person struct {
	name   string
	signer ssh.Signer
}

func newPerson(t testing.TB, name string) person {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return personOf(t, name, key)
}

func personOf(t testing.TB, name string, key any) person {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return person{name, s}
}

// line is the person's line in the file of allowed signers.
func (p person) line(options ...string) string {
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(p.signer.PublicKey())))
	return strings.Join(append(append([]string{p.name}, strings.Join(options, ",")), key, "comment"), " ") + "\n"
}

// making is how a signature is made; the zero value is as ssh-keygen does.
type making struct {
	namespace, hash, reserved, algorithm string
	version                              uint32
}

func (p person) sign(t testing.TB, message []byte, m making) []byte {
	t.Helper()
	if m.namespace == "" {
		m.namespace = Namespace
	}
	if m.hash == "" {
		m.hash = "sha512"
	}
	if m.version == 0 {
		m.version = 1
	}
	wide := sha512.Sum512(message)
	sum := wide[:]
	if m.hash == "sha256" {
		short := sha256.Sum256(message)
		sum = short[:]
	}
	signed := append([]byte("SSHSIG"), ssh.Marshal(struct{ A, B, C, D []byte }{[]byte(m.namespace), []byte(m.reserved), []byte(m.hash), sum})...)
	var sig *ssh.Signature
	var err error
	if as, ok := p.signer.(ssh.AlgorithmSigner); ok && m.algorithm != "" {
		sig, err = as.SignWithAlgorithm(rand.Reader, signed, m.algorithm)
	} else {
		sig, err = p.signer.Sign(rand.Reader, signed)
	}
	if err != nil {
		t.Fatal(err)
	}
	body := ssh.Marshal(blob{m.version, p.signer.PublicKey().Marshal(), []byte(m.namespace), []byte(m.reserved), []byte(m.hash), ssh.Marshal(sig)})
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: append([]byte("SSHSIG"), body...)})
}

// desk is a folder with one rule file and its approvals.
type desk struct {
	t         testing.TB
	dir, text string
	every     bool
}

func newDesk(t testing.TB, severity string) *desk {
	t.Helper()
	return &desk{t: t, dir: t.TempDir(), text: fmt.Sprintf(`rules:
  - id: vpn
    description: Sign-ins through the VPN
    owner: %s
    reason: It is ours
    expires: 2027-03-31
    search_name: [Impossible Travel, "Geo*"]
    when: event.src == "10.8.0.4"
    mode: enforce
    max_severity: %s
    window: {days: [mon, fri], from: "06:00", to: "22:00", tz: Europe/Berlin}
    canary: 1%%
    tests:
      - {name: ours, alert: {src: 10.8.0.4}, want: drop}
      - {name: theirs, alert: {src: 203.0.113.9}, want: pass}
`, owner, severity)}
}

func (d *desk) rules() *rules.Set {
	d.t.Helper()
	path := filepath.Join(d.dir, "vpn.yaml")
	if err := os.WriteFile(path, []byte(d.text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	set, err := rules.Load(rules.Options{Now: now}, path)
	if err != nil {
		d.t.Fatal(err)
	}
	return set
}

func (d *desk) rule() *rules.Rule { return d.rules().Find("vpn") }

func (d *desk) claims(claims ...Claim) {
	d.t.Helper()
	var text []byte
	for _, c := range claims {
		text = Append(text, c)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "vpn.yaml"+Extension), text, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) check(signers string) (*allowlist.Approvals, Status) {
	d.t.Helper()
	s, err := ParseSigners([]byte(signers))
	if err != nil {
		d.t.Fatal(err)
	}
	found, all := Check(d.rules(), Options{Signers: s, Every: d.every, Now: now})
	if len(all) != 1 {
		d.t.Fatalf("%d rules need approvals", len(all))
	}
	return found, all[0]
}

func TestTwoApprovers(t *testing.T) {
	d := newDesk(t, "high")
	ann, bob := newPerson(t, "ann@corp.example"), newPerson(t, "bob@corp.example")
	text := d.rule().Canonical()
	d.claims(Claim{Rule: "vpn", By: ann.name, Signature: ann.sign(t, text, making{})},
		Claim{Rule: "vpn", By: "Bob@corp.example", Signature: bob.sign(t, text, making{hash: "sha256"})})
	found, s := d.check(ann.line() + bob.line(`namespaces="git,winnow-rule"`, `valid-before="20270101"`, `valid-after="20260101"`))
	if !s.OK() || len(s.Signers) != 2 || len(s.Refused) != 0 {
		t.Fatalf("status %+v", s)
	}
	r := d.rule()
	end := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	if !found.Covers(r, now) || !found.Rules["vpn"].Until.Equal(end) || found.Covers(r, end) {
		t.Errorf("published %+v", found.Rules["vpn"])
	}
	for _, change := range []func(string) string{
		func(s string) string { return strings.Replace(s, "10.8.0.4\"", "10.8.0.5\"", 1) },
		func(s string) string { return strings.Replace(s, "max_severity: high", "max_severity: critical", 1) },
		func(s string) string { return strings.Replace(s, "2027-03-31", "2027-04-30", 1) },
		func(s string) string { return strings.Replace(s, "Geo*", "Ge*", 1) },
		func(s string) string { return strings.Replace(s, "canary: 1%", "canary: 0%", 1) },
		func(s string) string { return strings.Replace(s, "mon, fri", "mon, sat", 1) },
		func(s string) string { return strings.Replace(s, owner, "other@corp.example", 1) },
		func(s string) string {
			return strings.Replace(s, "    mode:", "    compare_fields: true\n    mode:", 1)
		},
	} {
		before := d.text
		if d.text = change(before); d.text == before {
			t.Fatal("nothing was changed")
		}
		if after, s := d.check(ann.line() + bob.line()); s.OK() || after.Covers(d.rule(), now) || !strings.Contains(s.Lack(), "does not fit this version of the rule") {
			t.Errorf("a changed rule is approved: %s", s.Rule.Canonical())
		}
		d.text = before
	}
}

// What people read, and the tests, may change.
func TestWordsAreNotSigned(t *testing.T) {
	d := newDesk(t, "high")
	before := string(d.rule().Canonical())
	d.text = strings.Replace(d.text, "It is ours", "It is ours, see the wiki", 1)
	d.text = strings.Replace(d.text, "name: ours", "name: mine", 1)
	if after := string(d.rule().Canonical()); after != before {
		t.Errorf("%s became %s", before, after)
	}
	want := `winnow rule, version 1
id: "vpn"
owner: "detection@corp.example"
when: "event.src == \"10.8.0.4\""
search_name: ["Geo*", "Impossible Travel"]
global: false
compare_fields: false
mode: enforce
max_severity: high
expires: 2027-03-31
window: mon,fri 06:00-22:00 "Europe/Berlin"
canary: 0.01
`
	if before != want {
		t.Errorf("what is signed is\n%s", before)
	}
}

func TestRefusedSignatures(t *testing.T) {
	ann, bob, mallory := newPerson(t, "ann@corp.example"), newPerson(t, "bob@corp.example"), newPerson(t, "mallory@corp.example")
	boss := newPerson(t, owner)
	both := ann.line() + bob.line()
	for name, c := range map[string]struct {
		by      person
		as      string
		m       making
		signers string
		revoked string
		message string
		rule    string
		want    string
	}{
		"not allowed":             {by: mallory, signers: both, want: "not one of theirs"},
		"under another's name":    {by: mallory, as: bob.name, signers: both + mallory.line(), want: "not one of theirs"},
		"the same twice":          {by: ann, signers: both, want: "have signed already"},
		"the same key, two names": {by: person{"annie@corp.example", ann.signer}, signers: both + person{"annie@corp.example", ann.signer}.line(), want: "have signed already"},
		"the owner":               {by: boss, signers: both + boss.line(), want: "the owner of a rule does not approve it"},
		"the owner in capitals":   {by: boss, as: strings.ToUpper(owner), signers: both + boss.line(), want: "the owner of a rule"},
		"the owner's key":         {by: person{"x@corp.example", boss.signer}, signers: both + boss.line() + person{"x@corp.example", boss.signer}.line(), want: "the owner of a rule"},
		"another name space":      {by: bob, m: making{namespace: "git"}, signers: both, want: `name space "git"`},
		"not for this name space": {by: bob, signers: ann.line() + bob.line(`namespaces="git"`), want: "not allowed for name space"},
		"expired":                 {by: bob, signers: ann.line() + bob.line(`valid-before="20261120"`), want: "the key has expired"},
		"not valid yet":           {by: bob, signers: ann.line() + bob.line(`valid-after="202611201201"`), want: "not valid yet"},
		"revoked":                 {by: bob, signers: both, revoked: bob.line(), want: "was revoked"},
		"another text":            {by: bob, signers: both, message: "winnow rule, version 1\n", want: "does not fit this version"},
		"another hash":            {by: bob, signers: both, m: making{hash: "md5"}, want: `hash "md5"`},
		"another version":         {by: bob, signers: both, m: making{version: 2}, want: "version 2"},
		"a reserved part":         {by: bob, signers: both, m: making{reserved: "x"}, want: "does not know"},
		"of another rule":         {by: bob, signers: both, rule: "other", want: "has 1"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, "high")
			text := d.rule().Canonical()
			message, as, rule := text, c.by.name, "vpn"
			if c.message != "" {
				message = []byte(c.message)
			}
			if c.as != "" {
				as = c.as
			}
			if c.rule != "" {
				rule = c.rule
			}
			d.claims(Claim{Rule: "vpn", By: ann.name, Signature: ann.sign(t, text, making{})}, Claim{Rule: rule, By: as, Signature: c.by.sign(t, message, c.m)})
			signers, err := ParseSigners([]byte(c.signers))
			if err != nil {
				t.Fatal(err)
			}
			if err := signers.revoke([]byte(strings.TrimPrefix(c.revoked, bob.name))); err != nil {
				t.Fatal(err)
			}
			found, all := Check(d.rules(), Options{Signers: signers, Now: now})
			if s := &all[0]; s.OK() || len(s.Signers) != 1 || !strings.Contains(s.Lack(), c.want) || len(found.Rules) != 0 {
				t.Errorf("%v: %s", s.OK(), s.Lack())
			}
		})
	}
}

// One signature is enough where every rule is signed, none where nothing asks for it.
func TestWhoNeedsApprovals(t *testing.T) {
	for severity, want := range map[string]map[bool]int{
		"low": {false: 0, true: 1}, "medium": {false: 0, true: 1}, "high": {false: 2, true: 2}, "critical": {false: 2, true: 2},
	} {
		for every, n := range want {
			if got := allowlist.Needed(newDesk(t, severity).rule(), every); got != n {
				t.Errorf("%s, %v: %d, want %d", severity, every, got, n)
			}
		}
	}
	d := newDesk(t, "critical")
	d.text = strings.Replace(d.text, "mode: enforce", "mode: shadow", 1)
	if got := allowlist.Needed(d.rule(), true); got != 0 {
		t.Errorf("a shadow rule needs %d", got)
	}
}

// What cannot be read approves nothing, and says so.
func TestFilesThatCannotBeRead(t *testing.T) {
	d := newDesk(t, "high")
	ann := newPerson(t, "ann@corp.example")
	for text, want := range map[string]string{
		"rule: vpn\nby: ann\n":            "cut off",
		"-----BEGIN SSH SIGNATURE-----\n": "without rule: and by:",
		"hello\n":                         "line 1: want rule: ID",
		"rule: vpn\nby: ann@corp.example\n-----BEGIN SSH SIGNATURE-----\nAAAA\n":                              "cut off",
		"rule: vpn\nby: ann@corp.example\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n": "damaged",
		"rule: vpn\nby: ann@corp.example\n-----BEGIN SSH SIGNATURE-----\n!\n-----END SSH SIGNATURE-----\n":    "no SSH signature",
	} {
		if err := os.WriteFile(filepath.Join(d.dir, "vpn.yaml"+Extension), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, s := d.check(ann.line()); s.OK() || !strings.Contains(s.Lack(), want) {
			t.Errorf("%q: %s", text, s.Lack())
		}
	}
	for text, want := range map[string]string{
		"ann@corp.example\n":                               "line 1: want a principal",
		"# x\n\nann@corp.example ssh-ed25519 AAAA\n":       "line 3: the public key",
		strings.Replace(ann.line(), "ann@", "*@", 1):       "does not name one principal",
		strings.Replace(ann.line(), "ann@", "eve,ann@", 1): "does not name one principal",
		ann.line("cert-authority"):                         `option "cert-authority"`,
		ann.line(`valid-before="tomorrow"`):                "is no time",
	} {
		if _, err := ParseSigners([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	s, _ := ParseSigners(nil)
	for _, text := range []string{"SSHKRL\n\x00", "nonsense\n"} {
		if s.revoke([]byte(text)) == nil {
			t.Errorf("%q is a list of revoked keys", text)
		}
	}
	if _, err := ReadSigners(filepath.Join(d.dir, "none"), ""); err == nil {
		t.Error("signers that are not there were read")
	}
	write := filepath.Join(d.dir, "signers")
	if err := os.WriteFile(write, []byte(ann.line()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSigners(write, filepath.Join(d.dir, "none")); err == nil || !strings.Contains(err.Error(), "revoked keys") {
		t.Errorf("revoked keys that are not there: %v", err)
	}
}

func TestKindsOfKeys(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("text")
	for name, c := range map[string]struct {
		key       any
		algorithm string
		want      string
	}{
		"ecdsa":            {ecKey, "", ""},
		"rsa with SHA-512": {rsaKey, ssh.KeyAlgoRSASHA512, ""},
		"rsa with SHA-1":   {rsaKey, ssh.KeyAlgoRSA, `algorithm "ssh-rsa"`},
	} {
		sig, err := ParseSignature(personOf(t, "x", c.key).sign(t, message, making{algorithm: c.algorithm}))
		if err == nil {
			err = sig.Verify(message)
		}
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Every flipped bit of a signature makes it another.
func TestFlippedSignatures(t *testing.T) {
	message := []byte("text")
	block, _ := pem.Decode(newPerson(t, "x").sign(t, message, making{}))
	for i := range block.Bytes {
		for _, bit := range []byte{1, 128} {
			flipped := bytes.Clone(block.Bytes)
			flipped[i] ^= bit
			sig, err := ParseSignature(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: flipped}))
			if err == nil && sig.Verify(message) == nil {
				t.Fatalf("byte %d can be flipped", i)
			}
		}
	}
}

// What ssh-keygen signs is taken, and what it would refuse is not.
func TestWithSSHKeygen(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("no ssh-keygen here")
	}
	d := newDesk(t, "medium")
	d.every = true
	text := d.rule().Canonical()
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		key := filepath.Join(t.TempDir(), "key")
		if out, err := exec.CommandContext(t.Context(), keygen, "-q", "-t", kind, "-N", "", "-C", "x", "-f", key).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		public, err := os.ReadFile(key + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		for namespace, good := range map[string]bool{Namespace: true, "file": false} {
			sign := exec.CommandContext(t.Context(), keygen, "-Y", "sign", "-n", namespace, "-f", key)
			sign.Stdin = bytes.NewReader(text)
			sig, err := sign.Output()
			if err != nil {
				t.Fatal(err)
			}
			d.claims(Claim{Rule: "vpn", By: "ann@corp.example", Signature: sig})
			if _, s := d.check("ann@corp.example " + string(public)); s.OK() != good {
				t.Errorf("%s, %s: %s", kind, namespace, s.Lack())
			}
		}
	}
}

func TestClaimsComeBack(t *testing.T) {
	ann := newPerson(t, "ann@corp.example")
	var text []byte
	for i := range 3 {
		text = Append(text, Claim{Rule: fmt.Sprint("r", i), By: ann.name, Signature: ann.sign(t, []byte{byte(i)}, making{})})
	}
	claims, err := ParseClaims(append([]byte("# of the rules\r\n\n"), text...))
	if err != nil || len(claims) != 3 {
		t.Fatalf("%d claims, %v", len(claims), err)
	}
	for i, c := range claims {
		sig, err := ParseSignature(c.Signature)
		if err != nil || sig.Verify([]byte{byte(i)}) != nil || c.Rule != fmt.Sprint("r", i) || c.By != ann.name || c.Line == 0 {
			t.Errorf("claim %d is %+v, %v", i, c, err)
		}
	}
}

// FuzzParse: nothing that lies beside a rule file makes a signature of a text that nobody signed.
func FuzzParse(f *testing.F) {
	ann := newPerson(f, "ann@corp.example")
	whole := Append(nil, Claim{Rule: "vpn", By: ann.name, Signature: ann.sign(f, []byte("text"), making{})})
	f.Add(whole, []byte(ann.line()))
	f.Add(whole[:len(whole)-20], []byte(ann.line(`namespaces="x"`, `valid-before="20270101"`)))
	f.Add([]byte("rule: x\nby: y\n-----BEGIN SSH SIGNATURE-----\n\n-----END SSH SIGNATURE-----"), []byte("a \"b\" ssh-rsa AAAA"))
	f.Fuzz(func(t *testing.T, approvals, signers []byte) {
		s, err := ParseSigners(signers)
		if err != nil {
			s = &Signers{}
		}
		claims, err := ParseClaims(approvals)
		if err != nil {
			return
		}
		for _, c := range claims {
			if sig, err := ParseSignature(c.Signature); err == nil {
				_, _ = s.may(c.By, sig.Key(), now)
				if sig.Verify([]byte("what nobody has signed")) == nil {
					t.Fatalf("verified %q", c.Signature)
				}
			}
		}
	})
}

// The gate drops by such a rule only with its approval.
func TestGateAsksForApprovals(t *testing.T) {
	d := newDesk(t, "high")
	set := d.rules()
	keys, err := winnow.NewKeys(bytes.Repeat([]byte("k"), winnow.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	monday := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	a := &winnow.Alert{SearchName: "Impossible Travel", Severity: winnow.SeverityHigh, Time: monday, Received: monday, Fields: winnow.Fields{"src": {"10.8.0.4"}}}
	g := &allowlist.Gate{Rules: set, Suspensions: (*allowlist.Suspensions)(nil).Clone(), Keys: keys, Fields: &winnow.FieldTable{}}
	good := allowlist.Approval{Hash: allowlist.HashOf(set.Find("vpn")), By: []string{"a", "b"}}
	late := good
	late.Until = monday
	for name, c := range map[string]struct {
		published *allowlist.Approvals
		want      winnow.Reason
	}{
		"nothing published": {nil, winnow.ReasonUnapproved},
		"another rule":      {&allowlist.Approvals{Rules: map[string]allowlist.Approval{"x": good}}, winnow.ReasonUnapproved},
		"another version":   {&allowlist.Approvals{Rules: map[string]allowlist.Approval{"vpn": {Hash: "00"}}}, winnow.ReasonUnapproved},
		"no longer":         {&allowlist.Approvals{Rules: map[string]allowlist.Approval{"vpn": late}}, winnow.ReasonUnapproved},
		"approved":          {&allowlist.Approvals{Rules: map[string]allowlist.Approval{"vpn": good}}, winnow.ReasonRule},
	} {
		g.Approvals = c.published
		if got := g.Confirm(a, winnow.Proposal{Kind: winnow.ProposeDrop, Rule: "vpn"}); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if x := g.Explain(a, set.Find("vpn")); x[0].Reason != c.want {
			t.Errorf("%s: explained as %s", name, x[0].Reason)
		}
	}
}
