package winnow

// Secret is text that must not reach a log, an error, a record or a terminal. It prints as
// "<secret>" with every verb and in JSON; only [Secret.Reveal] gives the text.
type Secret string

const hidden = "<secret>"

// String returns "<secret>", or "" when there is none.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString returns "<secret>" for %#v.
func (s Secret) GoString() string { return hidden }

// MarshalText returns "<secret>".
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal returns the text. Call it only where the text is sent.
func (s Secret) Reveal() string { return string(s) }
