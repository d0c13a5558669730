package stash

// WithSync makes the spool fail where a disk would.
func (s Spool) WithSync(sync func(dir string) error) Spool {
	s.sync = sync
	return s
}
