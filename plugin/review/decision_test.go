package review_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/review"
)

func TestDecisionRoundTrip(t *testing.T) {
	for _, want := range []review.Decision{
		{Action: review.Approve, ID: "A", Actor: "ann", Seq: 3},
		{Action: review.Reject, ID: "A", Actor: "bob", Reason: "saw it \"before\"\nand after", Only: true},
		{Action: review.Correct, ID: "A", Actor: "ann", Disposition: winnow.Other},
	} {
		body, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := review.Decode(body)
		want.Command = "review"
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("decision differs (-want +got), %v:\n%s", err, diff)
		}
	}
}

func TestDecodeTakesNothingButADecision(t *testing.T) {
	const good = `{"command":"review","action":"reject","id":"A","actor":"ann"}`
	if _, err := review.Decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"nothing":              ``,
		"not JSON":             `reject A`,
		"a list":               `[` + good + `]`,
		"two decisions":        good + good,
		"text behind":          good + ` or not`,
		"an unknown field":     `{"command":"review","action":"reject","id":"A","actor":"ann","sudo":true}`,
		"another command":      `{"command":"gate","action":"reject","id":"A","actor":"ann"}`,
		"no command":           `{"action":"reject","id":"A","actor":"ann"}`,
		"an unknown action":    `{"command":"review","action":"close","id":"A","actor":"ann"}`,
		"another case":         `{"command":"review","action":"Reject","id":"A","actor":"ann"}`,
		"no alert":             `{"command":"review","action":"reject","actor":"ann"}`,
		"nobody":               `{"command":"review","action":"reject","id":"A"}`,
		"an unknown verdict":   `{"command":"review","action":"correct","id":"A","actor":"ann","disposition":"Fine"}`,
		"no verdict":           `{"command":"review","action":"correct","id":"A","actor":"ann"}`,
		"an undetermined one":  `{"command":"review","action":"correct","id":"A","actor":"ann","disposition":"Undetermined"}`,
		"a long reason":        `{"command":"review","action":"reject","id":"A","actor":"ann","reason":"` + strings.Repeat("x", 2001) + `"}`,
		"a long name":          `{"command":"review","action":"reject","id":"A","actor":"` + strings.Repeat("x", 201) + `"}`,
		"numbers in the place": `{"command":"review","action":1,"id":"A","actor":"ann"}`,
	} {
		if d, err := review.Decode([]byte(body)); !errors.Is(err, review.ErrRefused) {
			t.Errorf("%s: %+v, %v; want ErrRefused", name, d, err)
		}
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	for want, d := range map[string]review.Decision{
		"unknown action":   {Action: "close", ID: "A", Actor: "ann"},
		"no alert id":      {Action: review.Reject, Actor: "ann"},
		"--by NAME":        {Action: review.Reject, ID: "A"},
		"--as NAME":        {Action: review.Correct, ID: "A", Actor: "ann"},
		"2001 bytes":       {Action: review.Reject, ID: "A", Actor: "ann", Reason: strings.Repeat("x", 2001)},
		"201 bytes, more ": {Action: review.Reject, ID: "A", Actor: strings.Repeat("x", 201)},
	} {
		if _, err := d.Encode(); !errors.Is(err, review.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", d, err, want)
		}
	}
}

// FuzzDecode: whatever lies in the spool, a decision that is read is one that a command could
// have written.
func FuzzDecode(f *testing.F) {
	for _, d := range []review.Decision{
		{Action: review.Approve, ID: "A", Actor: "ann", Seq: 1},
		{Action: review.Correct, ID: "A", Actor: "ann", Disposition: winnow.TruePositive, Only: true, Reason: "\x00"},
	} {
		body, err := d.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{"command":"review","action":"reject","ID":"A","actor":"ann","disposition":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := review.Decode(body)
		if err != nil {
			return
		}
		if !slices.Contains([]review.Action{review.Approve, review.Reject, review.Correct}, d.Action) || d.ID == "" || d.Actor == "" {
			t.Errorf("took %+v", d)
		}
		if d.Action == review.Correct && d.Disposition == winnow.Undetermined || d.Disposition > winnow.Other {
			t.Errorf("took disposition %d", d.Disposition)
		}
		again, err := d.Encode()
		if err != nil || !json.Valid(again) {
			t.Errorf("cannot write what it read: %s, %v", again, err)
		}
		if back, err := review.Decode(again); err != nil || back != d {
			t.Errorf("%+v comes back as %+v (%v)", d, back, err)
		}
	})
}
