//go:build !unix

package disk

func syncDir(string) error { return nil }
