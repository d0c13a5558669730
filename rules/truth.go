package rules

// truth is the value of a condition. The zero value is unknown: a rule matches only on yes.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}
