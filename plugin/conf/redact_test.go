package conf_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/conf"
)

func TestRedact(t *testing.T) {
	s := readShipped(t, "redact.networks=203.0.113.7/24, 198.51.100.9, 2001:db8::1/32", "redact.domains=Corp.Example., x.example", "redact.class=internal",
		"redact:A.fields=vendor.*, _raw", "redact:A.irrelevant=*_id", "redact:B.class=restricted")
	var got []string
	for _, p := range s.Redact.Networks {
		got = append(got, p.String())
	}
	if diff := cmp.Diff([]string{"203.0.113.0/24", "198.51.100.9/32", "2001:db8::/32"}, got); diff != "" {
		t.Error(diff)
	}
	if !s.Redact.Networks[0].Contains(netip.MustParseAddr("203.0.113.200")) {
		t.Error("a network does not hold its addresses")
	}
	if diff := cmp.Diff([]string{"corp.example", "x.example"}, s.Redact.Domains); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]conf.RedactSearch{
		"A": {Fields: []string{"vendor.*", "_raw"}, Irrelevant: []string{"*_id"}, Class: conf.ClassInternal},
		"B": {Class: conf.ClassRestricted}, "C": {Class: conf.ClassInternal},
	} {
		if diff := cmp.Diff(want, s.RedactOf(name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestRedactRefuses(t *testing.T) {
	for set, want := range map[string]string{
		"redact.allow=none": `"none" is not one of [cim all]`, "redact.networks=10.0.0.0/33": `"10.0.0.0/33" is not a network`,
		"redact.domains=*.corp.example": `"*.corp.example" is not a domain`, "redact.domains=.": `"." is not a domain`,
		"redact.class=secret": `"secret" is not one of [public internal confidential restricted]`, "redact.clas=public": `unknown key (did you mean "class"?)`,
		"redact:A.class=": `"" is not one of`, "redact:A.allow=all": `unknown key`, "redact:.class=public": `unknown stanza`,
	} {
		f, err := conf.Load(app, "winnow", []string{set})
		if err == nil {
			_, err = conf.Read(f)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", set, err, want)
		}
	}
}
