package llm

// WithoutScan returns the pipeline with guard G4 switched off, for tests of what holds without it.
func (p *Pipeline) WithoutScan() *Pipeline {
	blind := *p
	blind.unscanned = true
	return &blind
}
