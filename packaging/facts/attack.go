package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// technique is a row of attack.csv.
type technique struct {
	id, name, status string
	tactics          []string
}

// bundle is what is read of a STIX bundle.
type bundle struct {
	Objects []struct {
		Type       string `json:"type"`
		Name       string `json:"name"`
		Revoked    bool   `json:"revoked"`
		Deprecated bool   `json:"x_mitre_deprecated"`
		References []struct {
			Source string `json:"source_name"`
			ID     string `json:"external_id"`
		} `json:"external_references"`
		Phases []struct {
			Chain string `json:"kill_chain_name"`
			Name  string `json:"phase_name"`
		} `json:"kill_chain_phases"`
	} `json:"objects"`
}

func attackTable(path, licensePath string) (file, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return file{}, err
	}
	license, err := os.ReadFile(licensePath)
	if err != nil {
		return file{}, err
	}
	notice, err := attackNotice(string(license))
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", licensePath, err)
	}
	list, err := techniques(data)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	content, err := attackCSV(list, notice)
	return file{"attack.csv", content, fmt.Sprintf("%d techniques of ATT&CK %s", len(list), attackVersion)}, err
}

// attackNotice cuts the ATT&CK part, with its licence and disclaimers, out of MITRE's terms.
func attackNotice(text string) (string, error) {
	notice, _, found := strings.Cut(text, "\nCAPEC")
	if !found || !strings.Contains(notice, "reproduced and distributed with the permission of The MITRE Corporation") {
		return "", fmt.Errorf("MITRE's notice is not there")
	}
	return strings.TrimSpace(notice), nil
}

func techniques(data []byte) ([]technique, error) {
	var b bundle
	if err := json.Unmarshal(data, &b); err != nil {
		return nil, err
	}
	var out []technique
	for _, o := range b.Objects {
		if o.Type != "attack-pattern" {
			continue
		}
		t := technique{name: o.Name, status: "active"}
		switch {
		case o.Revoked:
			t.status = "revoked"
		case o.Deprecated:
			t.status = "deprecated"
		}
		for _, r := range o.References {
			if r.Source == "mitre-attack" {
				t.id = r.ID
			}
		}
		for _, p := range o.Phases {
			if p.Chain == "mitre-attack" {
				t.tactics = append(t.tactics, p.Name)
			}
		}
		if t.id == "" || t.name == "" {
			return nil, fmt.Errorf("technique %q %q has no id or no name", t.id, t.name)
		}
		slices.Sort(t.tactics)
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b technique) int { return cmp.Compare(a.id, b.id) })
	return out, nil
}

func attackCSV(list []technique, notice string) ([]byte, error) {
	var buf bytes.Buffer
	fmt.Fprintf(&buf, "# Techniques of MITRE ATT&CK Enterprise %s: id, name, tactics (joined with ;), and status, which is\n", attackVersion)
	buf.WriteString("# active, deprecated or revoked. Made by packaging/facts; do not edit.\n#\n")
	for line := range strings.Lines(notice) {
		buf.WriteString(strings.TrimRight("# "+strings.TrimSpace(line), " ") + "\n")
	}
	w := csv.NewWriter(&buf)
	if err := w.Write([]string{"id", "name", "tactics", "status"}); err != nil {
		return nil, err
	}
	for _, t := range list {
		if err := w.Write([]string{t.id, t.name, strings.Join(t.tactics, ";"), t.status}); err != nil {
			return nil, err
		}
	}
	w.Flush()
	return buf.Bytes(), w.Error()
}
