package state

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// Salvage opens what [Open] refuses, as far as it goes: good for keeping an alert until the mistake
// is mended, and for nothing that closes one. Keys of local/winnow.conf that are wrong have their
// shipped value; there is no content, and a field table without entries takes every field for one
// that the attacker set. It fails when it cannot tell where the state is.
func Salvage(l Locations) (*Deployment, error) {
	l.setDefaults()
	l.AnyOwner = true
	app, err := l.likelyApp()
	if err != nil {
		return nil, err
	}
	d, err := l.locate(app)
	if err != nil {
		return nil, err
	}
	d.Settings, d.Fields = salvageSettings(app), &winnow.FieldTable{}
	return d, nil
}

// likelyApp is the app folder, also while an upgrade has taken its default folder away.
func (l Locations) likelyApp() (string, error) {
	if app, err := l.app(); err == nil || l.App != "" {
		return app, err
	}
	exe, err := l.program()
	if err != nil {
		return "", err
	}
	app, err := filepath.Abs(filepath.Dir(filepath.Dir(exe)))
	if above := filepath.Dir(app); filepath.Base(filepath.Dir(above)) == "apps" {
		return above, err // the program lies in APP/linux_x86_64/bin
	}
	return app, err
}

// salvageSettings reads winnow.conf without what is wrong with it: first single keys, then whole
// stanzas, then all of local.
func salvageSettings(app string) *conf.Settings {
	base, _ := conf.ReadFile(filepath.Join(app, "default", "winnow.conf"))
	local, _ := conf.ReadFile(filepath.Join(app, "local", "winnow.conf"))
	if base == nil {
		return lastResort()
	}
	bad := faults{}
	for local != nil {
		s, err := conf.Read(overlay(base, local, bad))
		if err == nil {
			return s
		}
		if !bad.add(err) {
			break
		}
	}
	if s, err := conf.Read(base); err == nil {
		return s
	}
	return lastResort()
}

// lastResort is what storing an alert takes where not even the shipped winnow.conf can be read.
func lastResort() *conf.Settings {
	return &conf.Settings{Gate: conf.Gate{
		Place: winnow.PlaceBeside, WorkerGrace: 2 * time.Minute, Deadline: 4 * time.Minute, LargeResults: 1 << 20,
	}}
}

// faults are keys, and stanzas (without a key), that were found wrong.
type faults map[fault]bool

type fault struct{ stanza, key string }

// add takes what an error blames. A key blamed again is not to be helped: its stanza goes. It
// reports whether there was anything new.
func (f faults) add(err error) (found bool) {
	for _, err := range causes(err) {
		e, ok := errors.AsType[*conf.Error](err)
		if !ok {
			continue
		}
		one := fault{e.Stanza, e.Key}
		if f[one] {
			one.key = ""
		}
		found = found || !f[one]
		f[one] = true
	}
	return found
}

func causes(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// overlay lays local over base, as far as it is not known to be wrong.
func overlay(base, local *conf.File, bad faults) *conf.File {
	f := conf.NewFile(base.Name)
	f.Merge(base)
	for _, stanza := range local.Stanzas() {
		if bad[fault{stanza: stanza}] {
			continue
		}
		for _, key := range local.Keys(stanza) {
			if v, ok := local.Lookup(stanza, key); ok && !bad[fault{stanza, key}] {
				f.Set(stanza, key, v)
			}
		}
	}
	return f
}
