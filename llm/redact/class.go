package redact

import "slices"

// Class says how freely data may be passed on: the class of a search's alerts, and the highest class that a
// model may be sent.
type Class string

// The classes, from harmless to most in need of protection.
const (
	Public       Class = "public"
	Internal     Class = "internal"
	Confidential Class = "confidential"
	Restricted   Class = "restricted"
)

// Classes lists them in order.
var Classes = []Class{Public, Internal, Confidential, Restricted}

// rank is 1 for Public, and 0 for what is no class.
func (c Class) rank() int { return slices.Index(Classes, c) + 1 }

// Within reports whether data of the class may go where the ceiling allows. What is no class goes nowhere, and
// a ceiling that is no class lets nothing through.
func (c Class) Within(ceiling Class) bool {
	return c.rank() > 0 && c.rank() <= ceiling.rank()
}
