package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/approve"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

const approveHelp = `Print what an approver of a rule signs, or, with --key, sign it by ssh-keygen and add the signature to
RULEFILE.approvals beside the rule file. Rules that may drop high or critical alerts need two approvers
beside their owner; with [content] require_signature = enforce every other enforced rule needs one.
Whoever signs must stand in the file of allowed signers. A rule that changes must be signed again.`

func rulesApproveCommand(g *globals) *cobra.Command {
	var key, as string
	cmd := &cobra.Command{
		Use: "approve ID", Short: "sign a rule, or print what is signed", Args: cobra.ExactArgs(1), Long: approveHelp,
		Example: `  winnow rules approve vpn-egress-travel
  winnow rules approve vpn-egress-travel --key ~/.ssh/id_ed25519 --as ann@corp.example`,
		RunE: func(cmd *cobra.Command, args []string) error { return g.rulesApprove(cmd.Context(), args[0], key, as) },
	}
	cmd.Flags().StringVar(&key, "key", "", "sign with the private key in `FILE`, or with that of this public key in the agent")
	cmd.Flags().StringVar(&as, "as", "", "the `PRINCIPAL` who signs (default: whose key it is among the allowed signers)")
	return cmd
}

func (g *globals) rulesApprove(ctx context.Context, id, key, as string) error {
	set, _, err := g.loadRules(nil)
	if err != nil {
		return err
	}
	r := set.Find(id)
	if r == nil {
		return usage(fmt.Errorf("no rule is called %q", id), "`winnow rules check` says which cannot be read")
	}
	if key == "" {
		_, err := g.out.Write(r.Canonical())
		return err
	}
	d, err := g.openTools()
	if err != nil {
		return err
	}
	claim, err := g.sign(ctx, d, r, key, as)
	if err != nil {
		return err
	}
	path := r.Pos.File + approve.Extension
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := approve.ParseClaims(before); err != nil {
		return usage(fmt.Errorf("%s: %w", path, err))
	}
	if err := state.WriteFile(path, approve.Append(before, claim)); err != nil {
		return err
	}
	g.print("%s signed rule %s: see %s", plain(claim.By), r.ID, plain(path))
	return nil
}

// sign has ssh-keygen sign the rule, and makes sure that the signature will count.
func (g *globals) sign(ctx context.Context, d *state.Deployment, r *rules.Rule, key, as string) (approve.Claim, error) {
	signers, err := readSigners(d, false)
	if err != nil {
		return approve.Claim{}, usage(err)
	}
	var out, said bytes.Buffer
	keygen := exec.CommandContext(ctx, "ssh-keygen", "-Y", "sign", "-n", approve.Namespace, "-f", key) //nolint:gosec // the key is the caller's
	keygen.Stdin, keygen.Stdout, keygen.Stderr = bytes.NewReader(r.Canonical()), &out, &said
	if err := keygen.Run(); err != nil {
		return approve.Claim{}, fmt.Errorf("sign with ssh-keygen: %w: %s", err, strings.TrimSpace(said.String()))
	}
	sig, err := approve.ParseSignature(out.Bytes())
	if err != nil {
		return approve.Claim{}, err
	}
	if as, err = whoSigns(signers, sig, as); err != nil {
		return approve.Claim{}, usage(err)
	}
	claim := approve.Claim{Rule: r.ID, By: as, Signature: out.Bytes()}
	o := approve.Options{Signers: signers, Now: g.now()}
	if err := o.Counts(r, claim); err != nil {
		return claim, usage(fmt.Errorf("the signature of %q would not count: %w", as, err))
	}
	return claim, nil
}

func whoSigns(signers *approve.Signers, sig *approve.Signature, as string) (string, error) {
	if as != "" {
		return as, nil
	}
	if signers == nil {
		return "", errors.New("there is no file of allowed signers ([content] allowed_signers)")
	}
	names := signers.Who(sig.Key())
	if len(names) != 1 {
		return "", fmt.Errorf("the key belongs to %d of the allowed signers: say who signs with --as PRINCIPAL", len(names))
	}
	return names[0], nil
}
