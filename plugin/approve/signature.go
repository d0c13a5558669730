// Package approve checks who has approved a rule. Approvals are SSH signatures in the format of
// ssh-keygen -Y sign (SSHSIG), in a file beside the rule file; who may sign stands in a file of
// allowed signers. It is for the worker and the command line: the alert action only reads what the
// worker has published.
package approve

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"
)

// Namespace is what approvals are signed for: a signature made for mail or git approves nothing.
const Namespace = "winnow-rule"

// Signature is one SSH signature.
type Signature struct {
	key       ssh.PublicKey
	namespace string
	hash      string
	sig       ssh.Signature
}

// pemType is what the armour of an SSH signature is called.
const pemType = "SSH SIGNATURE"

// magic begins an SSH signature, and what is signed.
var magic = []byte("SSHSIG")

// blob is an SSH signature after its magic.
type blob struct {
	Version                                         uint32
	PublicKey, Namespace, Reserved, Hash, Signature []byte
}

// ParseSignature reads an armoured signature, whole and with nothing else.
func ParseSignature(armoured []byte) (*Signature, error) {
	block, rest := pem.Decode(armoured)
	if block == nil || block.Type != pemType || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("no SSH signature: want one block from -----BEGIN SSH SIGNATURE----- on")
	}
	data, ok := bytes.CutPrefix(block.Bytes, magic)
	var b blob
	if !ok || ssh.Unmarshal(data, &b) != nil {
		return nil, errors.New("the SSH signature is damaged")
	}
	if b.Version != 1 {
		return nil, fmt.Errorf("the SSH signature has version %d, want 1", b.Version)
	}
	s := &Signature{namespace: string(b.Namespace), hash: string(b.Hash)}
	var err error
	if s.key, err = ssh.ParsePublicKey(b.PublicKey); err != nil {
		return nil, errors.New("the key in the SSH signature is damaged")
	}
	if err := ssh.Unmarshal(b.Signature, &s.sig); err != nil {
		return nil, errors.New("the SSH signature is damaged")
	}
	if len(b.Reserved) > 0 {
		return nil, errors.New("the SSH signature has a part that this program does not know")
	}
	return s, checkKey(s.key)
}

// formats are the signature formats that each kind of key may use. ssh-rsa, which is SHA-1, is none of them.
var formats = map[string][]string{
	ssh.KeyAlgoED25519:    {ssh.KeyAlgoED25519},
	ssh.KeyAlgoECDSA256:   {ssh.KeyAlgoECDSA256},
	ssh.KeyAlgoECDSA384:   {ssh.KeyAlgoECDSA384},
	ssh.KeyAlgoECDSA521:   {ssh.KeyAlgoECDSA521},
	ssh.KeyAlgoRSA:        {ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSASHA512},
	ssh.KeyAlgoSKED25519:  {ssh.KeyAlgoSKED25519},
	ssh.KeyAlgoSKECDSA256: {ssh.KeyAlgoSKECDSA256},
}

// minRSA is the shortest RSA key that counts, in bits.
const minRSA = 2048

// checkKey refuses kinds of keys that cannot be trusted, and certificates.
func checkKey(key ssh.PublicKey) error {
	if formats[key.Type()] == nil {
		return fmt.Errorf("keys of type %s are not taken (want ed25519, ecdsa or rsa)", key.Type())
	}
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	if k, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() < minRSA {
		return fmt.Errorf("an RSA key of %d bits is too short (want %d)", k.N.BitLen(), minRSA)
	}
	return nil
}

// Key returns the key that signed.
func (s *Signature) Key() ssh.PublicKey { return s.key }

// Verify reports why the signature is not one of the message for winnow's name space; nil when it is.
func (s *Signature) Verify(message []byte) error {
	if s.namespace != Namespace {
		return fmt.Errorf("it was made for name space %q (want -n %s)", s.namespace, Namespace)
	}
	var sum []byte
	switch s.hash {
	case "sha256":
		h := sha256.Sum256(message)
		sum = h[:]
	case "sha512":
		h := sha512.Sum512(message)
		sum = h[:]
	default:
		return fmt.Errorf("it uses hash %q (want sha256 or sha512)", s.hash)
	}
	if !slices.Contains(formats[s.key.Type()], s.sig.Format) {
		return fmt.Errorf("it uses algorithm %q, which is not taken for a key of type %s", s.sig.Format, s.key.Type())
	}
	if touch := s.key.Type() == ssh.KeyAlgoSKED25519 || s.key.Type() == ssh.KeyAlgoSKECDSA256; touch && (len(s.sig.Rest) == 0 || s.sig.Rest[0]&1 == 0) {
		return errors.New("nobody touched the security key")
	}
	signed := append(bytes.Clone(magic), ssh.Marshal(struct{ Namespace, Reserved, Hash, Sum []byte }{
		[]byte(s.namespace), nil, []byte(s.hash), sum,
	})...)
	if s.key.Verify(signed, &s.sig) != nil {
		return errors.New("it does not fit this version of the rule")
	}
	return nil
}
