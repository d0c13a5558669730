package knowledge

import (
	"testing"

	"github.com/winnow-soc/winnow"
)

// A feed may be anything: it is read or refused, and what was read can be asked.
func FuzzFeed(f *testing.F) {
	for _, text := range feedSamples {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := parseFeed("feed", data)
		if (b == nil) != (err != nil) {
			t.Fatalf("batch %v, error %v", b, err)
		}
		if err != nil {
			return
		}
		x := newIndex()
		for _, i := range b.indicators {
			if err := x.add(i.normal, i.label, i.day); err != nil {
				t.Fatal(err)
			}
			if len(x.find(i.normal)) == 0 {
				t.Fatalf("%q was kept and is not found", i.normal)
			}
		}
	})
}

func FuzzInventory(f *testing.F) {
	f.Add([]byte(assetsCSV), "10.9.8.20")
	f.Add([]byte(identitiesCSV), "CORP\\ann")
	f.Fuzz(func(_ *testing.T, data []byte, value string) {
		v := newInventory()
		_ = v.readAssets("assets.csv", data)
		_ = v.readIdentities("identities.csv", data)
		v.asset(value)
		v.identity(value)
	})
}

// Whatever a value is, looking it up ends, and finds only what the feeds hold.
func FuzzLook(f *testing.F) {
	s := shipped(f)
	for _, v := range []string{"http://bad.example/a.exe", "http://[::1]:80/", "a@b@c", "1.2.3.4:x", "://", "a://?", "CVE-2026-12345"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		for _, k := range s.Look(t.Context(), caseOf(winnow.Fields{"dest": {v}, "user": {v}})) {
			if k.Source == "" || k.Field == "" || k.Value == "" || len(k.Data) == 0 {
				t.Fatalf("known: %+v", k)
			}
		}
	})
}
