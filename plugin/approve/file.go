package approve

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Extension is what the file of approvals adds to the name of its rule file.
const Extension = ".approvals"

// Claim is one approval as a file has it: who says to have signed which rule.
type Claim struct {
	Rule, By  string
	Signature []byte // armoured
	Line      int
}

// ReadClaims reads the approvals beside a rule file; no file is none.
func ReadClaims(ruleFile string) ([]Claim, error) {
	path := ruleFile + Extension
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	claims, err := ParseClaims(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return claims, nil
}

// ParseClaims reads a file of approvals. Each is a line "rule: ID", a line "by: PRINCIPAL" and an
// SSH signature; # begins a comment.
func ParseClaims(data []byte) (claims []Claim, err error) {
	var c Claim
	var armour strings.Builder
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		name, value, _ := strings.Cut(line, ":")
		switch {
		case armour.Len() > 0 && line == "-----END "+pemType+"-----":
			c.Signature = []byte(armour.String() + line + "\n")
			claims = append(claims, c)
			c = Claim{}
			armour.Reset()
		case armour.Len() > 0:
			armour.WriteString(line + "\n")
		case line == "" || line[0] == '#':
		case line == "-----BEGIN "+pemType+"-----":
			if c.Rule == "" || c.By == "" {
				return nil, fmt.Errorf("line %d: a signature without rule: and by: before it", i+1)
			}
			c.Line = i + 1
			armour.WriteString(line + "\n")
		case name == "rule" && c.Rule == "":
			c.Rule = strings.TrimSpace(value)
		case name == "by" && c.By == "":
			c.By = strings.TrimSpace(value)
		default:
			return nil, fmt.Errorf("line %d: want rule: ID, by: PRINCIPAL and an SSH signature", i+1)
		}
	}
	if armour.Len() > 0 || c.Rule != "" || c.By != "" {
		return nil, errors.New("the last approval is cut off")
	}
	return claims, nil
}

// Append returns a file of approvals with one more.
func Append(data []byte, c Claim) []byte {
	var b strings.Builder
	b.Write(data)
	if len(data) > 0 && data[len(data)-1] != '\n' {
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "rule: %s\nby: %s\n%s\n", c.Rule, c.By, strings.TrimSpace(string(c.Signature)))
	return []byte(b.String())
}
