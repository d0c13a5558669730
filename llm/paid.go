package llm

import "github.com/winnow-soc/winnow"

// Paid reports whether the pipeline may ask a language model: that costs money and time.
func (p *Pipeline) Paid() bool {
	models := []Model{p.o.Enrich, p.o.Correlate, p.o.Classify, p.o.Panel.Coordinator}
	for _, a := range p.o.Panel.Agents {
		models = append(models, a.Model)
	}
	for _, m := range models {
		if m.Source() == winnow.SourceModel {
			return true
		}
	}
	return false
}

// First returns the pipeline that is asked before the language models, or nil. By itself it costs nothing.
func (p *Pipeline) First() *Pipeline { return p.o.First }
