package ledger

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func TestAlertComesBackWhole(t *testing.T) {
	l := openNew(t)
	want := sample(1)
	want.Notable = true
	want.Links = Links{Derived: "A", Joined: "B", Advice: []byte(`[{"kind":"monitor"}]`)}
	rec := recordOf(want, winnow.StateClosed)
	rec.Verdict.Votes = []winnow.Vote{{Agent: "network", Vote: winnow.VoteSafe, Confidence: 90, Fields: []string{"src"}}}
	rec.Cost = winnow.Cost{MicroUSD: 512, Calls: 2}
	update(t, l, func(tx *Tx) error { return tx.Add(want, rec) })
	view(t, l, func(tx *Tx) error {
		got, err := tx.Alert(want.Alert.ID)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("alert differs (-want +got):\n%s", diff)
		}
		back, err := tx.Record(want.Alert.ID)
		rec.Normalize()
		if diff := cmp.Diff(rec, back); diff != "" {
			t.Errorf("record differs (-want +got):\n%s", diff)
		}
		return err
	})
}

// TestHostileValuesComeBack shows that no text can break out of its place or get lost.
func TestHostileValuesComeBack(t *testing.T) {
	hostile := map[string]string{
		"quotes":  `'; DROP TABLE alerts; --"` + "`",
		"nul":     "before\x00after",
		"escape":  "\x1b[31mred\x1b[0m",
		"newline": "a\nb\r\nc\u2028d",
		"emoji":   "\U0001F600 \u202Eabc",
		"big":     strings.Repeat("x", 1<<20),
		"like":    "%_\\",
		"json":    `{"outcome":{"state":"closed"}}`,
	}
	for name, text := range hostile {
		t.Run(name, func(t *testing.T) {
			l := openNew(t)
			e := sample(1)
			e.Alert.Key = winnow.Key{Host: text, SID: text, RID: text, MAC: text}
			e.Alert.SearchName, e.Alert.App = text, text
			e.Alert.Fields = winnow.Fields{text: {text, ""}, "src": {text}}
			e.Joined = text
			add(t, l, e, winnow.StateInReview)
			view(t, l, func(tx *Tx) error {
				got, err := tx.Alert(e.Alert.ID)
				if diff := cmp.Diff(e, got); diff != "" {
					t.Errorf("alert differs (-want +got):\n%.2000s", diff)
				}
				found, ferr := tx.Find(e.Alert.Key)
				if found.ID != e.Alert.ID {
					t.Errorf("Find by the key gives %+v", found)
				}
				return errors.Join(err, ferr)
			})
		})
	}
}

// TestInvalidUTF8StaysReadable: JSON has no place for broken bytes, so fields hold the
// replacement character; the natural key keeps them, so the row is still recognised.
func TestInvalidUTF8StaysReadable(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	e.Alert.Key.SID = "sid\xff\xfe"
	e.Alert.Fields = winnow.Fields{"user": {"a\xffb"}}
	add(t, l, e, winnow.StateInReview)
	view(t, l, func(tx *Tx) error {
		got, err := tx.Alert(e.Alert.ID)
		if v, _ := got.Alert.Fields.First("user"); v != "a\ufffdb" {
			t.Errorf("field is %q", v)
		}
		found, ferr := tx.Find(e.Alert.Key)
		if found.ID != e.Alert.ID {
			t.Errorf("Find by the broken sid gives %+v", found)
		}
		return errors.Join(err, ferr)
	})
}

func TestFindTellsDuplicateFromClash(t *testing.T) {
	l := openNew(t)
	first := sample(1)
	add(t, l, first, winnow.StateQueued)
	clash := sample(2)
	clash.Alert.Key = first.Alert.Key
	clash.Alert.Key.MAC = "other"
	k := first.Alert.Key
	for _, c := range []struct {
		name string
		key  winnow.Key
		want Found
	}{
		{"the same row", k, Found{ID: first.Alert.ID}},
		{"the same rid with other content", clash.Alert.Key, Found{Clashes: 1}},
		{"another rid", winnow.Key{Host: k.Host, SID: k.SID, RID: "9", MAC: k.MAC}, Found{}},
		{"another search head", winnow.Key{Host: "guid-2", SID: k.SID, RID: k.RID, MAC: k.MAC}, Found{}},
		{"another run of the search", winnow.Key{Host: k.Host, SID: "s2", RID: k.RID, MAC: k.MAC}, Found{}},
	} {
		view(t, l, func(tx *Tx) error {
			got, err := tx.Find(c.key)
			if got != c.want {
				t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
			}
			return err
		})
	}
	add(t, l, clash, winnow.StateQueued)
	view(t, l, func(tx *Tx) error {
		got, err := tx.Find(clash.Alert.Key)
		if want := (Found{ID: clash.Alert.ID, Clashes: 1}); got != want {
			t.Errorf("after the clash was added: %+v, want %+v", got, want)
		}
		return err
	})
}

func TestAddRefusesASecondAlertWithTheKey(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateQueued)
	sameKey, sameID := sample(2), sample(1)
	sameKey.Alert.Key = sample(1).Alert.Key
	sameID.Alert.Key.RID = "77"
	for name, e := range map[string]Entry{"same natural key": sameKey, "same id": sameID} {
		if err := l.Update(t.Context(), func(tx *Tx) error { return tx.Add(e, recordOf(e, winnow.StateQueued)) }); err == nil {
			t.Errorf("%s: a second alert was taken", name)
		}
	}
	view(t, l, func(tx *Tx) error {
		ids, err := tx.IDs()
		if len(ids) != 1 {
			t.Errorf("ids = %v", ids)
		}
		return err
	})
}

func TestChangeKeepsHistoryInOrder(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateQueued)
	states := []winnow.State{winnow.StateInReview, winnow.StateEscalated, winnow.StateQueued, winnow.StateClosed}
	for i, s := range states {
		update(t, l, func(tx *Tx) error {
			seq, err := tx.Change(recordOf(e, s), Links{Derived: string(s)})
			if seq != int64(i+2) {
				t.Errorf("change %d has number %d", i, seq)
			}
			return err
		})
	}
	view(t, l, func(tx *Tx) error {
		history, err := tx.History(e.Alert.ID)
		if err != nil {
			return err
		}
		var got []winnow.State
		for _, r := range history {
			got = append(got, r.Outcome.State)
		}
		if diff := cmp.Diff([]winnow.State{winnow.StateQueued, winnow.StateInReview, winnow.StateEscalated, winnow.StateQueued}, got); diff != "" {
			t.Errorf("history differs (-want +got):\n%s", diff)
		}
		now, err := tx.Record(e.Alert.ID)
		if now.Outcome.State != winnow.StateClosed {
			t.Errorf("current state is %s", now.Outcome.State)
		}
		back, aerr := tx.Alert(e.Alert.ID)
		if back.Derived != "closed" || back.Joined != "" {
			t.Errorf("links are %+v, want those of the last change", back.Links)
		}
		seq, serr := tx.Seq(e.Alert.ID)
		if seq != 5 {
			t.Errorf("seq = %d, want 5", seq)
		}
		return errors.Join(err, aerr, serr)
	})
}

func TestUnknownAlertIsNotFound(t *testing.T) {
	l := openNew(t)
	for name, f := range map[string]func(*Tx) error{
		"Alert":  func(tx *Tx) error { _, err := tx.Alert("nobody"); return err },
		"Record": func(tx *Tx) error { _, err := tx.Record("nobody"); return err },
		"Seq":    func(tx *Tx) error { _, err := tx.Seq("nobody"); return err },
		"KeyOf":  func(tx *Tx) error { _, err := tx.KeyOf("nobody"); return err },
		"Change": func(tx *Tx) error { _, err := tx.Change(winnow.Record{ID: "nobody"}, Links{}); return err },
	} {
		err := l.Update(t.Context(), f)
		if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("%s: %v, want ErrNotFound that names the id", name, err)
		}
	}
	view(t, l, func(tx *Tx) error {
		has, err := tx.Has("nobody")
		any, aerr := tx.Any()
		if has || any {
			t.Error("an empty ledger holds something")
		}
		return errors.Join(err, aerr)
	})
}

func TestFindRowGivesTheNewestFromAnyHost(t *testing.T) {
	l := openNew(t)
	older, newer := sample(1), sample(2)
	newer.Alert.Key = older.Alert.Key
	newer.Alert.Key.Host = "guid-2"
	add(t, l, newer, winnow.StateQueued)
	add(t, l, older, winnow.StateQueued)
	view(t, l, func(tx *Tx) error {
		id, err := tx.FindRow(older.Alert.Key.SID, older.Alert.Key.RID)
		if id != newer.Alert.ID {
			t.Errorf("id = %q, want the newer one", id)
		}
		none, nerr := tx.FindRow("no", "0")
		if none != "" {
			t.Errorf("unknown row gives %q", none)
		}
		return errors.Join(err, nerr)
	})
}

func TestSetNotableLasts(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateEscalated)
	update(t, l, func(tx *Tx) error { return tx.SetNotable(e.Alert.ID) })
	update(t, l, func(tx *Tx) error { _, err := tx.Change(recordOf(e, winnow.StateClosed), Links{}); return err })
	view(t, l, func(tx *Tx) error {
		got, err := tx.Alert(e.Alert.ID)
		if !got.Notable {
			t.Error("a change of the record forgot that a notable stands")
		}
		return err
	})
}

func TestRecordJSONHasEveryKey(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateQueued)
	view(t, l, func(tx *Tx) error {
		body, err := tx.RecordJSON(e.Alert.ID)
		if bytes.Contains(body, []byte("null")) {
			t.Errorf("a key is null: %s", body)
		}
		return err
	})
}

func TestTalliesCountEveryAlertOnce(t *testing.T) {
	l := openNew(t)
	for i := range 6 {
		e := sample(i)
		r := recordOf(e, winnow.StateClosed)
		r.Cost.MicroUSD = 10
		if i%3 == 0 {
			r.Outcome.State, r.Verdict.Source = winnow.StateEscalated, winnow.SourceOffline
		}
		update(t, l, func(tx *Tx) error { return tx.Add(e, r) })
	}
	got := map[winnow.State]int{}
	var money int64
	view(t, l, func(tx *Tx) error {
		return tx.Tallies(Span{}, func(y *Tally) {
			got[y.State] += y.Alerts
			money += y.MicroUSD
			if y.Bytes <= 0 || y.SearchName != "Impossible Travel" {
				t.Errorf("tally %+v", y)
			}
		})
	})
	if diff := cmp.Diff(map[winnow.State]int{winnow.StateClosed: 4, winnow.StateEscalated: 2}, got); diff != "" || money != 60 {
		t.Errorf("money %d, tallies differ (-want +got):\n%s", money, diff)
	}
	view(t, l, func(tx *Tx) error {
		id, err := tx.FirstWith(winnow.StateEscalated, winnow.SourceOffline)
		if id != sample(3).Alert.ID {
			t.Errorf("FirstWith = %q, want the newest", id)
		}
		return err
	})
}

func TestDecodeRecordRefusesGarbage(t *testing.T) {
	for _, body := range []string{"", "{", `{"severity":"dire"}`, `{"verdict":{"disposition":"Fine"}}`} {
		if _, err := DecodeRecord([]byte(body)); err == nil {
			t.Errorf("%q was read", body)
		}
	}
}
