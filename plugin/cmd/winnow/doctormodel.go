package main

// modelKeys looks for the keys of the language models that stages, agents and the coordinator name.
func (x *diagnosis) modelKeys(m *models) {
	for _, name := range sortedNames(m.providers) {
		if _, err := m.providers[name].get(x.ctx); err != nil {
			x.warn("models", "put the key where [model:NAME] key says; the modular input reads storage/passwords with its own session key", "%s", err)
			continue
		}
		s := m.d.Settings.Models[name]
		x.ok("models", "%s is %s of %s, with its key", plain(name), plain(s.Model), s.Provider)
	}
}
