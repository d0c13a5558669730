package ledger

// CallLimits bound the calls of one [model:NAME] in a day of UTC, whatever they cost. 0: no limit.
type CallLimits struct{ Calls, Tokens int64 }

// both reports whether they bound what the model may use: with one alone a call may be as large as it likes, or
// there may be any number of them.
func (c CallLimits) both() bool { return c.Calls > 0 && c.Tokens > 0 }

// callDay is what the calls of one day used by [model:NAME]. It is read from the table of calls, each row once it
// is settled, so that it holds after a restart and for the calls of other programs. A transaction that fails
// leaves nothing wrong in it: rows that are reserved are looked at again.
type callDay struct {
	day  int64 // its start; 0: nothing is read yet
	last int64 // rows up to this one are in it
	done map[string]callsUsed
	open map[int64]int64 // rows that were reserved when they were last looked at, with what they may use; 0: not known
}

type callsUsed struct{ calls, tokens int64 }

func (u callsUsed) plus(tokens int64) callsUsed {
	return callsUsed{u.calls + 1, u.tokens + min(max(tokens, 0), 1<<40)}
}

// callRow is what of a call counts.
type callRow struct {
	n, at, bytes, input, output int64
	source                      string
	state                       CallState
}

const callRowColumns = "n, at, bytes, input, output, source, state"

func (r *callRow) scan() []any {
	return []any{&r.n, &r.at, &r.bytes, &r.input, &r.output, &r.source, &r.state}
}

// tokens are what a call used, as far as anybody knows: one without usage counts as what it may have used, and where
// that is not known as its bytes, and as what a request takes beside them.
func (r *callRow) tokens(asked, beside int64) int64 {
	switch {
	case r.state == CallSettled:
		return r.input + r.output
	case asked > 0:
		return max(r.input+r.output, asked)
	}
	return max(r.input+r.output, r.bytes+beside)
}

// asked notes what a call that was just reserved may use.
func (d *callDay) asked(n, tokens int64) {
	if d.open != nil && tokens > 0 {
		d.open[n] = tokens
	}
}

// withinCalls holds a charge against the limits of its model that are not of money.
func (t *Tx) withinCalls(r *reserve) error {
	c, limits := &r.charge, r.limits.PerDay
	if limits.Calls <= 0 && limits.Tokens <= 0 {
		return nil
	}
	used, err := t.usedOn(dayOf(micro(c.At)), c.Source, max(c.Tokens-int64(c.Bytes), 0))
	if err != nil {
		return err
	}
	refuse := func(limit string, most, n int64) {
		r.err = &LimitError{Limit: limit, Scope: Scope{ScopeModel, c.Source}, MaxCount: most, Count: n}
	}
	switch {
	case limits.Calls > 0 && used.calls >= limits.Calls:
		refuse("calls", limits.Calls, used.calls)
	case limits.Tokens > 0 && (c.Tokens > limits.Tokens || used.tokens > limits.Tokens-c.Tokens):
		refuse("tokens", limits.Tokens, used.tokens)
	}
	return nil
}

// usedOn returns what a model used on a day. beside is what a request takes beside its bytes, for those of which
// nobody knows what they used.
func (t *Tx) usedOn(day int64, source string, beside int64) (callsUsed, error) {
	d := &t.l.perDay
	if d.day != day {
		first, err := t.firstCallOf(day)
		if err != nil {
			return callsUsed{}, err
		}
		*d = callDay{day: day, last: first - 1, done: map[string]callsUsed{}, open: map[int64]int64{}}
	}
	if err := t.readCalls(d, beside); err != nil {
		return callsUsed{}, err
	}
	used := d.done[source]
	for n, asked := range d.open {
		var row callRow
		found, err := t.get("SELECT "+callRowColumns+" FROM calls WHERE n = ?", []any{n}, row.scan()...)
		switch {
		case err != nil:
			return used, err
		case !found:
			delete(d.open, n)
		case row.state == CallReserved:
			if row.source == source {
				used = used.plus(row.tokens(asked, beside))
			}
		default:
			delete(d.open, n)
			d.count(&row, asked, beside)
			if row.source == source && row.state != CallReleased {
				used = used.plus(row.tokens(asked, beside))
			}
		}
	}
	return used, nil
}

// readCalls takes up the rows that came since.
func (t *Tx) readCalls(d *callDay, beside int64) error {
	return t.each("SELECT "+callRowColumns+" FROM calls WHERE n > ? ORDER BY n", []any{d.last}, func(scan func(...any) error) error {
		var row callRow
		if err := scan(row.scan()...); err != nil {
			return err
		}
		d.last = row.n
		switch {
		case dayOf(row.at) != d.day: // the clock was set
		case row.state == CallReserved:
			d.open[row.n] = max(d.open[row.n], 0) // what it may use is known, or 0
		default:
			asked := d.open[row.n]
			delete(d.open, row.n)
			d.count(&row, asked, beside)
		}
		return nil
	})
}

// count adds a call of which nothing more will come.
func (d *callDay) count(row *callRow, asked, beside int64) {
	if row.state != CallReleased {
		d.done[row.source] = d.done[row.source].plus(row.tokens(asked, beside))
	}
}

// callsAtOnce is how many calls are looked through at once for the first of a day.
const callsAtOnce = 1000

// firstCallOf finds where the calls of a day begin: they are in the order of time, but for a clock that was set.
func (t *Tx) firstCallOf(day int64) (first int64, err error) {
	if _, err := t.get("SELECT coalesce(max(n), 0) + 1 FROM calls", nil, &first); err != nil {
		return 0, err
	}
	for from := first; ; {
		rows, ofDay := 0, false
		err := t.each("SELECT n, at FROM calls WHERE n < ? ORDER BY n DESC LIMIT ?", []any{from, callsAtOnce}, func(scan func(...any) error) error {
			var n, at int64
			if err := scan(&n, &at); err != nil {
				return err
			}
			rows, from = rows+1, n
			if dayOf(at) == day {
				first, ofDay = n, true
			}
			return nil
		})
		if err != nil || !ofDay || rows < callsAtOnce {
			return first, err
		}
	}
}
