package rules

// Check names one thing that rule files are checked for.
type Check struct {
	Code string // stable; for machines
	Text string // what is wrong where it is reported
}

// Invalid is the code of what keeps a rule, a file or a list from loading.
const Invalid = "invalid"

// Checks returns everything that [Load] and [Set.CheckAgainst] may report.
func Checks() []Check {
	return []Check{
		{Invalid, "the file, the rule or a list cannot be read"},
		{"broken-condition", "the condition does not compile"},
		{"broken-list", "a list that the rule reads cannot be trusted"},
		{"attacker-set", "the rule rests on fields that an attacker may set alone"},
		{"no-such-search", "the scope fits no search"},
		{"expired", "the rule has expired"},
		{"expires-soon", "the rule expires soon"},
		{"no-owner", "nobody answers for the rule"},
		{"constant", "the condition is always true or always false"},
		{"broad", "the condition holds of more than one has in mind"},
		{"every-address", "a network holds every address"},
		{"every-text", "a pattern fits every text"},
		{"unknown-field", "no table of fields and no test knows the field"},
		{"weak-reading", "one value, or leaving a field out, is enough to match"},
		{"slow", "the condition takes many steps"},
		{"throttle", "a dropped alert can hold back one that would not be dropped"},
		{"absent-field", "real alerts do not have the field"},
	}
}

// CodeOf returns the code of an error's check.
func (e *Error) CodeOf() string {
	if e.Code == "" {
		return Invalid
	}
	return e.Code
}
