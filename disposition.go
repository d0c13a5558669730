package winnow

import (
	"fmt"
	"slices"
	"strings"
)

// Disposition is what an alert turned out to be, in Enterprise Security's six words. The zero
// value is Undetermined, which never closes anything.
type Disposition uint8

// The dispositions.
const (
	Undetermined Disposition = iota
	TruePositive
	BenignPositive
	FalsePositiveLogic
	FalsePositiveData
	Other
)

var (
	dispositionNames = [...]string{
		"Undetermined", "TruePositive", "BenignPositive", "FalsePositiveLogic", "FalsePositiveData", "Other",
	}
	dispositionES   = [...]int{6, 1, 2, 3, 4, 5}
	dispositionOCSF = [...]int{7, 2, 5, 1, 1, 99}
)

// String returns the name used in records.
func (d Disposition) String() string {
	if int(d) < len(dispositionNames) {
		return dispositionNames[d]
	}
	return dispositionNames[Undetermined]
}

// ParseDisposition reads the name used in records. Case counts: a model's or a file's answer must
// be one of the closed list to the letter.
func ParseDisposition(name string) (Disposition, error) {
	if i := slices.Index(dispositionNames[:], name); i >= 0 {
		return Disposition(i), nil
	}
	return Undetermined, fmt.Errorf("unknown disposition %q (want %s)", name, strings.Join(dispositionNames[:], ", "))
}

// MarshalText writes the name.
func (d Disposition) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the name.
func (d *Disposition) UnmarshalText(text []byte) error {
	v, err := ParseDisposition(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// Benign reports whether the disposition allows a close: the alert is explained and needs nobody.
// Undetermined and Other are not benign.
func (d Disposition) Benign() bool {
	return d == BenignPositive || d == FalsePositiveLogic || d == FalsePositiveData
}

// ES returns Enterprise Security's number, used as "disposition:N" in notable updates.
func (d Disposition) ES() int {
	if int(d) < len(dispositionES) {
		return dispositionES[d]
	}
	return dispositionES[Undetermined]
}

// OCSF returns the verdict_id of the Open Cybersecurity Schema Framework.
func (d Disposition) OCSF() int {
	if int(d) < len(dispositionOCSF) {
		return dispositionOCSF[d]
	}
	return dispositionOCSF[Undetermined]
}
