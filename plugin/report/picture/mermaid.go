package picture

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/winnow-soc/winnow"
)

// labelWidth is how many characters of a text a box holds.
const labelWidth = 120

// WriteMermaid writes the way as a Mermaid flowchart. Of a label only letters, digits and a few harmless
// characters stand for themselves; all others are written as their code, so that no text of an alert can end a
// label, a line or a fence.
func (p *Path) WriteMermaid(w io.Writer) error {
	b := &strings.Builder{}
	r := &p.alert.Record
	fmt.Fprintf(b, "flowchart TD\n")
	fmt.Fprintf(b, "  alert([\"%s\"])\n", label(r.SearchName, r.Severity.String()+", "+r.Time.UTC().Format("2006-01-02 15:04:05")+" UTC", r.ID))
	last := "alert"
	for i := range p.Steps {
		s := &p.Steps[i]
		name := fmt.Sprintf("gate%d", i+1)
		shape := [2]string{"{{", "}}"}
		if i == len(p.Steps)-1 {
			shape = [2]string{"[", "]"}
		}
		fmt.Fprintf(b, "  %s%s\"%s\"%s:::%s\n", name, shape[0], label(append([]string{s.Gate, s.Title}, s.Lines...)...), shape[1], class(s.Tone))
		if s.Tone == ToneSkipped {
			fmt.Fprintf(b, "  %s -.-> %s\n", last, name)
		} else {
			fmt.Fprintf(b, "  %s --> %s\n", last, name)
		}
		p.writeVotes(b, s, name)
		last = name
	}
	b.WriteString(mermaidClasses)
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Path) writeVotes(b *strings.Builder, s *Step, gate string) {
	for i, v := range s.Votes {
		name := fmt.Sprintf("vote%d", i+1)
		fmt.Fprintf(b, "  %s[\"%s\"]:::%s\n", name, label(agent(v.Agent), fmt.Sprintf("%s %d", v.Vote, v.Confidence), v.Reason), class(voteTone(v.Vote)))
		fmt.Fprintf(b, "  %s --- %s\n", gate, name)
	}
}

func voteTone(k winnow.VoteKind) Tone {
	switch k {
	case winnow.VoteMalicious:
		return ToneEscalate
	case winnow.VoteSuspicious:
		return ToneReview
	case winnow.VoteSafe:
		return ToneClosed
	case winnow.VoteAbstain:
	}
	return ToneSkipped
}

func class(t Tone) string {
	if t == ToneSkipped {
		return "skipped"
	}
	return string(t)
}

const mermaidClasses = `  classDef skipped fill:#f4f5f7,stroke:#c3c9d2,color:#59626f,stroke-dasharray:4 3
  classDef passed fill:#eef3fb,stroke:#5b7fb5,color:#1c2733
  classDef warned fill:#fff6df,stroke:#b98900,color:#3a2c00
  classDef closed fill:#e3f6ec,stroke:#23875a,color:#0d3a26
  classDef review fill:#fff6df,stroke:#b98900,color:#3a2c00
  classDef escalate fill:#fde8e8,stroke:#c23a3f,color:#5a1215
`

// label writes lines as one label.
func label(lines ...string) string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		if line = cut(shown(line), labelWidth); line != "" {
			out = append(out, escaped(line))
		}
	}
	return strings.Join(out, "<br/>")
}

// escaped writes everything but letters, digits and a few marks as Mermaid's code for the character. Before the
// first letter all marks are: "1." or "-" would begin a list.
func escaped(s string) string {
	var b strings.Builder
	begun := false
	for _, r := range s {
		begun = begun || unicode.IsLetter(r)
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == ' ' || begun && strings.ContainsRune(",.:'-…", r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}

// agent writes the name of an agent as people do.
func agent(name string) string { return strings.ReplaceAll(name, "_", " ") }
