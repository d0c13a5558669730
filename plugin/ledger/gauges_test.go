package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// What waits is counted, and what is done is not looked at.
func TestGauges(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateEscalated)
	add(t, l, sample(2), winnow.StateEscalated)
	add(t, l, sample(3), winnow.StateClosed)
	update(t, l, func(tx *Tx) error {
		for _, q := range []string{
			"INSERT INTO outbox (key, id, sink, kind, body, attempts, not_before, done, error) VALUES ('a', '01M7WD7TG034ZP4E976V6P0C8B', 'update', 'x', '', 0, 1, 0, '')",
			"INSERT INTO outbox (key, id, sink, kind, body, attempts, not_before, done, error) VALUES ('b', 'x', 'update', 'x', '', 0, 9223372036854775807, 0, '')",
			"INSERT INTO outbox (key, id, sink, kind, body, attempts, not_before, done, error) VALUES ('c', 'x', 'update', 'x', '', 0, 1, 5, '')",
		} {
			if err := tx.exec(q); err != nil {
				return err
			}
		}
		return nil
	})
	var g Gauges
	view(t, l, func(tx *Tx) (err error) {
		g, err = tx.Gauges()
		return err
	})
	want := Gauges{
		Alerts: []StateGauge{{State: winnow.StateClosed, Alerts: 1}, {State: winnow.StateEscalated, Alerts: 2}},
		Outbox: []OutboxGauge{
			{Sink: "update", Waiting: 1, Oldest: time.UnixMilli(1795176000000).UTC()},
			{Sink: "update", Failed: true, Waiting: 1},
		},
	}
	if diff := cmp.Diff(want, g); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTimeOfID(t *testing.T) {
	for id, want := range map[string]time.Time{
		"01M7WD7TG034ZP4E976V6P0C8B":   time.UnixMilli(1795176000000).UTC(),
		"":                             {},
		"file":                         {},
		"01M7WD7TG034ZP4E976V6P0C8B00": {},
		"ILOUILOUILOUILOUILOUILOUIL":   {},
	} {
		if got := timeOfID(id); !got.Equal(want) {
			t.Errorf("%q: %s, want %s", id, got, want)
		}
	}
}
