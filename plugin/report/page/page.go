package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.tmpl
var pageText string

//go:embed style.css
var styleText string

// pageTemplate escapes everything that it is given but the style, which is a file of this package.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(styleText) }, //nolint:gosec // no text of others is in it
}).Parse(pageText))

// Write writes the page. The same data make the same page.
func Write(w io.Writer, d *Data) error {
	var b bytes.Buffer // so that no half a page is written
	if err := pageTemplate.Execute(&b, newView(d)); err != nil {
		return fmt.Errorf("report html: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Fragment returns the page without what is around it, for a page that has [Style].
func Fragment(d *Data) (template.HTML, error) {
	var b bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&b, "fragment", newView(d)); err != nil {
		return "", fmt.Errorf("report html: %w", err)
	}
	return template.HTML(b.String()), nil //nolint:gosec // the template has escaped it
}

// Style returns the style of the page, which a page around a [Fragment] nests under .report.
func Style() string { return styleText }
