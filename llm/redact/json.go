package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const maxJSONDepth = 64

// HideJSON is [View.HideAs] for a JSON value, as tools bring it: it reads every text of it, however it is escaped, and
// what stands under a key is taken for what a field of that name holds. Names that it tells are learned.
func (v *View) HideJSON(value []byte) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, err := rewrite(value, func(key, text string, isKey bool) string {
		if r := roleOf(key); r != roleText && !isKey {
			v.learnValue(r, text)
		}
		return text
	})
	if err != nil {
		return nil, err
	}
	return rewrite(value, func(key, text string, isKey bool) string {
		if isKey {
			return v.hide(roleText, text)
		}
		return v.hideAs(key, text)
	})
}

// UndoJSON is [View.Undo] for a JSON value: what comes back is escaped as JSON wants it.
func (v *View) UndoJSON(value []byte) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return rewrite(value, func(_, text string, _ bool) string { return v.tokens.undo(text) })
}

// rewrite passes every text of a JSON value through change, which is told the key that it stands under.
func rewrite(value []byte, change func(key, text string, isKey bool) string) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	w := rewriter{dec: dec, change: change}
	if err := w.value("", 0); err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read JSON: more text after the value")
	}
	return w.out.Bytes(), nil
}

type rewriter struct {
	dec    *json.Decoder
	out    bytes.Buffer
	change func(key, text string, isKey bool) string
}

func (w *rewriter) value(key string, depth int) error {
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	switch t := tok.(type) {
	case json.Delim:
		if depth >= maxJSONDepth {
			return fmt.Errorf("nested deeper than %d levels", maxJSONDepth)
		}
		return w.inside(t, key, depth)
	case string:
		return w.text(w.change(key, t, false))
	case json.Number:
		w.out.WriteString(t.String())
	case bool:
		fmt.Fprint(&w.out, t)
	default:
		w.out.WriteString("null")
	}
	return nil
}

func (w *rewriter) inside(open json.Delim, key string, depth int) error {
	w.out.WriteString(open.String())
	for first := true; w.dec.More(); first = false {
		if !first {
			w.out.WriteByte(',')
		}
		if open == '{' {
			tok, err := w.dec.Token()
			if err != nil {
				return err
			}
			key, _ = tok.(string)
			if err := w.text(w.change(key, key, true)); err != nil {
				return err
			}
			w.out.WriteByte(':')
		}
		if err := w.value(key, depth+1); err != nil {
			return err
		}
	}
	end, err := w.dec.Token()
	if err != nil {
		return err
	}
	fmt.Fprint(&w.out, end)
	return nil
}

func (w *rewriter) text(s string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return err
	}
	w.out.Write(bytes.TrimRight(b.Bytes(), "\n"))
	return nil
}
