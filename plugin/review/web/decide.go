package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// A decision that was handed to the worker is usually carried out at its next turn: the page waits that long for it,
// so that what it shows next is already so.
const (
	awaitFor   = 3 * time.Second
	awaitEvery = 100 * time.Millisecond
)

// decide carries a person's decision out, or hands it to the worker, and shows the case again.
func (s *server) decide(w http.ResponseWriter, r *http.Request, who *session) {
	id := r.PathValue("id")
	d, err := decisionOf(r, id, who.Name)
	if err != nil {
		s.fail(w, r, who, http.StatusBadRequest, "This form is not one of this page: "+err.Error()+". Nothing was changed.")
		return
	}
	result, done, err := s.Decide(r.Context(), d)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		s.fail(w, r, who, http.StatusNotFound, "There is no such alert.")
		return
	case errors.Is(err, review.ErrRefused):
		s.fail(w, r, who, http.StatusConflict, "Nothing was changed: "+visible(err.Error())+".")
		return
	case err != nil:
		s.Log.Error("a decision could not be carried out", "id", d.ID, "err", err)
		s.fail(w, r, who, http.StatusInternalServerError, "The decision could not be carried out, nor handed to the worker. Nothing was changed.")
		return
	}
	notice := told(&d, &result)
	if !done && !s.await(r.Context(), &d) {
		notice = "Handed to the worker, which carries it out at its next turn. This page shows it when it is done."
	} else if !done {
		notice = "Done. The trail below says what was changed."
	}
	s.Log.Info("decided on the page", "action", string(d.Action), "id", d.ID, "by", who.Name)
	s.sessions.change(r, func(one *session) { one.notice = notice })
	http.Redirect(w, r, "/case/"+d.ID, http.StatusSeeOther)
}

var errForm = errors.New("something is missing or odd in it")

// decisionOf reads a decision from the form. Who decides is who is signed in, whatever the form says.
func decisionOf(r *http.Request, id, actor string) (review.Decision, error) {
	d := review.Decision{Action: review.Action(r.PostFormValue("action")), ID: id, Actor: actor, Reason: r.PostFormValue("reason")}
	d.Only = r.PostFormValue("only") == "yes"
	var err error
	if d.Seq, err = strconv.ParseInt(r.PostFormValue("seq"), 10, 64); err != nil || d.Seq < 1 {
		return d, errForm
	}
	if d.Action == review.Correct {
		if d.Disposition, err = winnow.ParseDisposition(r.PostFormValue("as")); err != nil {
			return d, errForm
		}
	}
	if _, err := d.Encode(); err != nil {
		return d, err
	}
	return d, nil
}

// told says what a decision did.
func told(d *review.Decision, done *review.Result) string {
	text := "Done: " + things(len(done.Settled), "alert", "alerts") + " settled as " + string(d.Action)
	if d.Action == review.Correct {
		text = "Done: " + things(len(done.Settled), "alert is", "alerts are") + " " + d.Disposition.String()
	}
	if n := len(done.Recalled); n > 0 {
		text += "; " + things(n, "alert that was closed on its verdict is", "alerts that were closed on its verdict are") + " back in triage"
	}
	for _, rule := range done.Missed {
		text += "; rule " + visible(rule) + " covers it and is suspended"
	}
	return text + "."
}

// await waits for the worker to change the record that the person saw.
func (s *server) await(ctx context.Context, d *review.Decision) bool {
	ctx, cancel := context.WithTimeout(ctx, awaitFor)
	defer cancel()
	tick := time.NewTicker(awaitEvery)
	defer tick.Stop()
	for {
		var seq int64
		err := s.View(ctx, func(t *ledger.Tx) (err error) {
			seq, err = t.Seq(d.ID)
			return err
		})
		if err == nil && seq != d.Seq {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
