package state

import (
	"testing"

	"github.com/winnow-soc/winnow/plugin/conf"
)

// Whatever mode.json holds: what is accepted is a mode of winnow.conf, for a bounded time.
func FuzzParseMode(f *testing.F) {
	f.Add([]byte(`{"mode":"attack","since":"2026-03-01T12:00:00Z","until":"2026-03-01T13:00:00Z","by":"ann","reason":""}`))
	f.Add([]byte(`{"mode":"attack","since":"0000-01-01T00:00:00Z","until":"9999-12-31T23:59:59Z","by":"","reason":""}`))
	f.Add([]byte(`{"mode":"none"}{}`))
	modes := map[string]conf.Mode{"attack": {}}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMode(data, modes)
		if err == nil && (m.Name != "attack" || !m.Since.Before(m.Until) || m.Until.Sub(m.Since) > MaxModeTime) {
			t.Errorf("%+v", m)
		}
	})
}
