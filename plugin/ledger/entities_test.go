package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func pastOf(t *testing.T, l *Ledger, field, value, self string, at time.Time, limit int) (ids []string) {
	t.Helper()
	view(t, l, func(tx *Tx) error {
		return tx.EntityAlerts(winnow.Evidence{Field: field, Value: value}, self, at, limit, func(a EntityAlert) error {
			ids = append(ids, a.ID[len(a.ID)-1:])
			return nil
		})
	})
	return ids
}

func TestEntityAlerts(t *testing.T) {
	l := openNew(t)
	for i, change := range []func(*Entry){
		0: func(e *Entry) { e.Alert.Received = noon.Add(-EntityAge) },                       // just too old
		1: func(e *Entry) { e.Alert.Received = noon.Add(-time.Hour) },                       // counts
		2: func(e *Entry) { e.Alert.Fields = winnow.Fields{"user": {"10.8.0.4"}} },          // an account of that name
		3: func(e *Entry) { e.Alert.Fields = winnow.Fields{"dest_ip": {" 10.8.0.4 "}} },     // the same host elsewhere
		4: func(e *Entry) { e.Alert.Received = noon.Add(time.Hour) },                        // later than the question
		5: func(e *Entry) { e.Alert.Fields = winnow.Fields{"src": {"10.8.0.40", "other"}} }, // another
	} {
		e := sample(i)
		change(&e)
		add(t, l, e, winnow.StateClosed)
	}
	at := noon.Add(time.Minute)
	for _, row := range []struct {
		field, value, self string
		limit              int
		want               []string
	}{
		{"src", "10.8.0.4", "", 9, []string{"3", "1"}},
		{"dvc", "10.8.0.4", "", 1, []string{"3"}},
		{"src", "10.8.0.4", sample(3).Alert.ID, 9, []string{"1"}},
		{"src_user", "ANN", "", 9, []string{"1"}},
		{"user", "10.8.0.4", "", 9, []string{"2"}},
		{"src", "' OR 1=1 --", "", 9, nil},
	} {
		if got := pastOf(t, l, row.field, row.value, row.self, at, row.limit); !cmp.Equal(got, row.want) {
			t.Errorf("%s=%s without %q: %v, want %v", row.field, row.value, row.self, got, row.want)
		}
	}
	update(t, l, func(tx *Tx) error {
		_, err := tx.Prune(Keep{Records: noon.AddDate(-1, 0, 0), Facts: noon, Now: noon.Add(EntityAge).Add(time.Minute)}, 100)
		return err
	})
	if got := pastOf(t, l, "src", "10.8.0.4", "", noon.Add(2*time.Hour), 9); !cmp.Equal(got, []string{"4"}) {
		t.Errorf("after pruning: %v", got)
	}
}

func TestEntitiesAreBounded(t *testing.T) {
	f := winnow.Fields{"src": {"A", "a", " a ", "", "-", "unknown", strings.Repeat("x", maxEntityBytes+1)}, "user": {"a"}}
	want := []winnow.Evidence{{Field: "user", Value: "a"}, {Field: "src", Value: "A"}}
	if diff := cmp.Diff(want, Entities(f)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for i := range 100 {
		f.Add("dest", fmt.Sprint(i))
	}
	if n := len(Entities(f)); n != maxEntities {
		t.Errorf("%d entities", n)
	}
}
