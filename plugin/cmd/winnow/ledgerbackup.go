package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

func ledgerBackupCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "copy the ledger while the worker runs", Args: cobra.ExactArgs(1),
		Long: `Write a whole copy of the ledger as it is now to FILE, check it, and bring it to disk, mode 0600. The
worker goes on meanwhile. A file that exists is not written over. The spool is no part of it: what
lies there is not yet in the ledger.`,
		Example: `  winnow ledger backup ledger-2026-11-20.db`,
		RunE:    func(cmd *cobra.Command, args []string) error { return g.ledgerBackup(cmd.Context(), args[0]) },
	}
}

func ledgerRestoreCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "put a backup in the place of the ledger", Args: cobra.ExactArgs(1),
		Long: `Check a backup, move the present ledger aside, and put a copy of the backup in its place. Stop the
worker first. Says which alerts the backup does not have: those that still lie in the spool are
imported again by the worker; the others are missing until they are fired again, and stay in the
ledger that was moved aside. What was booked for language models since the backup stays booked.`,
		Example: `  winnow ledger restore ledger-2026-11-20.db`,
		RunE:    func(cmd *cobra.Command, args []string) error { return g.ledgerRestore(cmd.Context(), args[0]) },
	}
}

func (g *globals) ledgerBackup(ctx context.Context, file string) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	if err := ledger.Backup(ctx, d.Path("ledger.db"), file); err != nil {
		return err
	}
	g.note("backed up to %s", plain(file))
	return nil
}

// lockWait is how long a command waits for the worker's lock.
const lockWait = 2 * time.Second

func (g *globals) ledgerRestore(ctx context.Context, file string) (err error) {
	d, err := g.open()
	if err != nil {
		return err
	}
	if err := d.Init(); err != nil {
		return err
	}
	short, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	unlock, err := g.lockState(short, d, workerLog(g.err, d.Settings.Worker.Log, true))
	if err != nil {
		return fmt.Errorf("%w: stop the worker first", err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	done, err := ledger.Restore(ctx, file, d.Path("ledger.db"), g.now())
	if err != nil {
		return err
	}
	waiting, err := spoolLen(d, g.now())
	if err != nil {
		return err
	}
	return g.printRestored(&done, waiting)
}

// spoolLen counts the records that the worker will import.
func spoolLen(d *state.Deployment, now time.Time) (int, error) {
	entries, err := alertaction.ReadSpool(d.Path("spool"), now)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	return len(entries), err
}

func (g *globals) printRestored(r *ledger.Restored, waiting int) error {
	if g.format == formatJSON {
		return g.json(struct {
			*ledger.Restored
			Waiting int `json:"spool_records"`
		}{r, waiting})
	}
	w := g.styled()
	fmt.Fprintf(w, "restored %s", things(r.Alerts, "alert", "alerts"))
	if !r.Newest.IsZero() {
		fmt.Fprintf(w, ", the newest received %s", r.Newest.Format(time.RFC3339))
	}
	fmt.Fprintf(w, "\n%s in the spool: the worker imports what the backup does not have\n", things(waiting, "record waits", "records wait"))
	switch {
	case r.Aside == "":
		fmt.Fprintln(w, "there was no ledger before")
		return nil
	case !r.Compared:
		fmt.Fprintln(w, "the ledger that was there cannot be read: nobody knows which alerts the backup lacks")
	case r.Missing > 0:
		fmt.Fprintf(w, "missing: %s received from %s to %s, unless they are fired again or still lie in the spool\n",
			things(r.Missing, "alert", "alerts"), r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	default:
		fmt.Fprintln(w, "no alert is missing")
	}
	if r.Changed > 0 {
		fmt.Fprintf(w, "as they were at the time of the backup: %s that changed since\n", things(r.Changed, "alert", "alerts"))
	}
	fmt.Fprintf(w, "the ledger that was there is %s\n", plain(r.Aside))
	return nil
}
