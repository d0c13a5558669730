package splunk

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/winnow-soc/winnow"
)

// InputConfig is what splunkd hands to a modular input on stdin.
type InputConfig struct {
	ServerHost    string
	ServerURI     string
	SessionKey    winnow.Secret
	CheckpointDir string
	Stanzas       []Stanza // with --validate-arguments just the one being saved
}

// Stanza is one stanza of inputs.conf. A parameter with several values has them all.
type Stanza struct {
	Name   string // like winnow://worker
	App    string
	Params map[string][]string
}

// Get returns the first value of a parameter, "" when there is none.
func (s Stanza) Get(name string) string {
	if v := s.Params[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// maxInputConfig is far above any configuration of an input.
const maxInputConfig = 8 << 20

type paramXML struct {
	Name  string `xml:"name,attr"`
	Value string `xml:",chardata"`
}

type paramListXML struct {
	Name   string   `xml:"name,attr"`
	Values []string `xml:"value"`
}

type stanzaXML struct {
	Name   string         `xml:"name,attr"`
	App    string         `xml:"app,attr"`
	Params []paramXML     `xml:"param"`
	Lists  []paramListXML `xml:"param_list"`
}

// inputXML takes both documents: <input> to run, <items> to validate.
type inputXML struct {
	XMLName       xml.Name
	ServerHost    string      `xml:"server_host"`
	ServerURI     string      `xml:"server_uri"`
	SessionKey    string      `xml:"session_key"`
	CheckpointDir string      `xml:"checkpoint_dir"`
	Stanzas       []stanzaXML `xml:"configuration>stanza"`
	Items         []stanzaXML `xml:"item"`
}

// ParseInputConfig reads the document that splunkd writes to an input's stdin, to its end.
func ParseInputConfig(r io.Reader) (InputConfig, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxInputConfig+1))
	if err != nil {
		return InputConfig{}, fmt.Errorf("read input configuration: %w", err)
	}
	if len(body) > maxInputConfig {
		return InputConfig{}, fmt.Errorf("read input configuration: longer than %d bytes", maxInputConfig)
	}
	var doc inputXML
	if err := xml.Unmarshal(body, &doc); err != nil {
		if errors.Is(err, io.EOF) {
			return InputConfig{}, errors.New("read input configuration: stdin is empty; splunkd starts this input, " +
				"try: splunk cmd splunkd print-modinput-config winnow winnow://worker | winnow worker")
		}
		return InputConfig{}, fmt.Errorf("read input configuration: %w", err)
	}
	if name := doc.XMLName.Local; name != "input" && name != "items" {
		return InputConfig{}, fmt.Errorf("read input configuration: found <%s>, want <input> or <items>", plain(name, maxMessage))
	}
	conf := InputConfig{
		ServerHost: strings.TrimSpace(doc.ServerHost), ServerURI: strings.TrimSpace(doc.ServerURI),
		SessionKey: winnow.Secret(strings.TrimSpace(doc.SessionKey)), CheckpointDir: strings.TrimSpace(doc.CheckpointDir),
	}
	for _, s := range append(doc.Stanzas, doc.Items...) {
		stanza, err := s.read()
		if err != nil {
			return InputConfig{}, fmt.Errorf("read input configuration: %w", err)
		}
		conf.Stanzas = append(conf.Stanzas, stanza)
	}
	return conf, nil
}

func (s stanzaXML) read() (Stanza, error) {
	out := Stanza{Name: s.Name, App: s.App, Params: map[string][]string{}}
	if s.Name == "" {
		return Stanza{}, errors.New("a stanza has no name")
	}
	for _, p := range s.Params {
		if p.Name == "" {
			return Stanza{}, fmt.Errorf("stanza %q: a param has no name", s.Name)
		}
		out.Params[p.Name] = append(out.Params[p.Name], p.Value)
	}
	for _, l := range s.Lists {
		out.Params[l.Name] = append(out.Params[l.Name], l.Values...)
	}
	return out, nil
}
