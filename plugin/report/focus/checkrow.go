package focus

import (
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	iso "golang.org/x/text/currency"
)

// row checks every cell of a row, and then what they have in common. Of a row with a broken cell only the cells
// are told: the rest would be wrong because of it.
func (c *checker) row(row []string) {
	if len(row) != len(c.head) {
		c.fail("", "%d cells under %d columns", len(row), len(c.head))
		return
	}
	before := len(c.problems)
	for i, cell := range row {
		if k := c.known[i]; k != nil {
			c.cell(k, cell)
		} else if !utf8.ValidString(cell) {
			c.fail(c.head[i], "is not valid Unicode")
		}
	}
	for _, p := range c.problems[before:] {
		if !p.Should {
			return
		}
	}
	r := charge{c, row}
	r.periods()
	r.quantities()
	r.prices()
	r.skus()
	r.discounts()
	r.belongs()
	r.services()
}

// placeholders are what stands for no value where the specification wants null.
var placeholders = []string{"null", "none", "nil", "n/a", "na", "not applicable", "not available", "unknown", "-"}

func (c *checker) cell(k *column, cell string) {
	switch {
	case cell == "" && !k.null:
		c.fail(k.name, "MUST NOT be null")
		return
	case cell == "":
		return
	case !utf8.ValidString(cell):
		c.fail(k.name, "is not valid Unicode")
		return
	case strings.TrimSpace(cell) == "":
		c.advise(k.name, "text SHOULD NOT be of spaces alone")
	case slices.Contains(placeholders, strings.ToLower(cell)):
		c.fail(k.name, "%q stands for no value: it MUST be null", cell)
		return
	}
	if k.values != nil && !slices.Contains(k.values, cell) {
		c.fail(k.name, "%q MUST be one of %s", short(cell), strings.Join(k.values, ", "))
		return
	}
	switch k.kind {
	case decimal:
		if len(cell) > maxNumber || !numeric.MatchString(cell) {
			c.fail(k.name, "%q is no number: digits with at most one point, a minus for what is below zero, and E notation", short(cell))
		}
	case moment:
		if _, ok := when(cell); !ok {
			c.fail(k.name, "%q is no date and time in UTC like 2026-11-01T00:00:00Z", short(cell))
		}
	case currency:
		if _, err := iso.ParseISO(cell); err != nil || strings.ToUpper(cell) != cell {
			c.fail(k.name, "%q is no code of a currency as of ISO 4217", short(cell))
		}
	case pairs:
		c.pairs(k.name, cell)
	case object:
		var o map[string]any
		if json.Unmarshal([]byte(cell), &o) != nil || o == nil {
			c.fail(k.name, "is no JSON object")
		}
	case text:
	}
}

// short keeps a message to a length.
func short(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:57], "") + "..."
	}
	return s
}

// maxNumber is far beyond the 36 digits of the specification's widest numbers.
const maxNumber = 100

// numeric: a sign for what is below zero alone, and in an exponent too.
var numeric = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?([Ee]-?[0-9]{1,3})?$`)

// when reads a date and time.
func when(cell string) (time.Time, bool) {
	t, err := time.Parse("2006-01-02T15:04:05Z", cell)
	return t, err == nil
}

// pairs: a JSON object without repeated keys, whose values are single ones.
func (c *checker) pairs(name, cell string) {
	dec := json.NewDecoder(strings.NewReader(cell))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') {
		c.fail(name, "is no JSON object")
		return
	}
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		text, ok := key.(string)
		if err != nil || !ok {
			c.fail(name, "is no JSON object")
			return
		}
		if seen[text] {
			c.fail(name, "has the key %q twice", short(text))
		}
		seen[text] = true
		value, err := dec.Token()
		if err != nil {
			c.fail(name, "is no JSON object")
			return
		}
		if _, nested := value.(json.Delim); nested {
			c.fail(name, "%q holds an object or a list: the value of a key MUST be a number, a string, true, false or null", short(text))
			return
		}
	}
	if _, err := dec.Token(); err != nil {
		c.fail(name, "is no JSON object")
	} else if dec.More() {
		c.fail(name, "something follows the JSON object")
	}
}

// charge is a row whose cells are right by themselves.
type charge struct {
	*checker

	cells []string
}

// of returns a cell, "" where it is null or there is no such column.
func (r charge) of(name string) string {
	if i, ok := r.place[name]; ok {
		return r.cells[i]
	}
	return ""
}

func (r charge) has(name string) bool {
	_, ok := r.place[name]
	return ok
}

// exact reads a number, nil where there is none.
func (r charge) exact(name string) *big.Rat {
	n, ok := new(big.Rat).SetString(r.of(name))
	if !ok {
		return nil
	}
	return n
}

// must fails a column of the file unless a condition holds.
func (r charge) must(ok bool, name, format string, args ...any) {
	if r.has(name) && !ok {
		r.fail(name, format, args...)
	}
}

func (r charge) category(of ...string) bool { return slices.Contains(of, r.of("ChargeCategory")) }

func (r charge) correction() bool { return r.of("ChargeClass") == "Correction" }

// periods: the start is within, the end is not.
func (r charge) periods() {
	for _, name := range []string{"BillingPeriod", "ChargePeriod"} {
		start, ok := when(r.of(name + "Start"))
		end, ok2 := when(r.of(name + "End"))
		r.must(!ok || !ok2 || start.Before(end), name+"End", "MUST be the exclusive end: it is not after %sStart", name)
	}
	r.must(!r.category("Purchase") || r.of("ChargeFrequency") != "Usage-Based", "ChargeFrequency",
		"MUST NOT be Usage-Based when ChargeCategory is Purchase")
}

// bought holds a column that says what was bought, and for how much, against the charge's category.
func (r charge) bought(name string) {
	r.must(r.of(name) == "" || !r.category("Tax"), name, "MUST be null when ChargeCategory is Tax")
	r.must(r.of(name) != "" || !r.category("Usage", "Purchase") || r.correction(), name,
		"MUST NOT be null when ChargeCategory is Usage or Purchase and ChargeClass is not Correction")
}

// together: both are null, or neither is.
func (r charge) together(name, with string) {
	if !r.has(name) || !r.has(with) {
		return
	}
	r.must(r.of(name) == "" || r.of(with) != "", name, "MUST be null when %s is null", with)
	r.must(r.of(name) != "" || r.of(with) == "", name, "MUST NOT be null when %s is not null", with)
}

// within: null wherever the other is.
func (r charge) within(name, of string) {
	r.must(r.of(name) == "" || r.of(of) != "", name, "MUST be null when %s is null", of)
}

func (r charge) quantities() {
	r.bought("PricingQuantity")
	r.bought("PricingCategory")
	r.together("PricingUnit", "PricingQuantity")
	r.together("ConsumedUnit", "ConsumedQuantity")
	consumed := r.category("Usage") && r.of("CommitmentDiscountStatus") != "Unused"
	r.must(consumed || r.of("ConsumedQuantity") == "", "ConsumedQuantity",
		"MUST be null when ChargeCategory is not Usage, or CommitmentDiscountStatus is Unused")
	r.must(!consumed || r.correction() || r.of("ConsumedQuantity") != "", "ConsumedQuantity",
		"MUST NOT be null when ChargeCategory is Usage and ChargeClass is not Correction")
	for _, name := range []string{"PricingUnit", "ConsumedUnit", "CommitmentDiscountUnit"} {
		if unit := r.of(name); unit != "" && !measure.MatchString(unit) {
			r.advise(name, "%q SHOULD be a unit like GB, Hours, GB-Hours or 1000000 Tokens", short(unit))
		}
	}
}

var measure = regexp.MustCompile(`^([1-9][0-9]* )?[A-Za-z][A-Za-z ]*(-[A-Za-z]+)?(/([1-9][0-9]* )?[A-Za-z]+)?$`)

// prices: a unit price times the quantity is the cost.
func (r charge) prices() {
	quantity := r.exact("PricingQuantity")
	for _, of := range []string{"List", "Contracted"} {
		name, total := of+"UnitPrice", of+"Cost"
		r.bought(name)
		r.bought("PricingCurrency" + name)
		price := r.exact(name)
		if price == nil {
			continue
		}
		r.must(price.Sign() >= 0, name, "MUST NOT be below zero")
		if cost := r.exact(total); quantity != nil && cost != nil && !r.correction() {
			r.must(new(big.Rat).Mul(price, quantity).Cmp(cost) == 0, total, "MUST be %s times PricingQuantity", name)
		}
	}
	if cost := r.exact("EffectiveCost"); cost != nil {
		r.must(!r.category("Purchase") || r.of("CommitmentDiscountId") == "" || cost.Sign() == 0, "EffectiveCost",
			"MUST be 0 when ChargeCategory is Purchase and the purchase covers later charges")
	}
	for _, name := range []string{"EffectiveCost", "ListCost", "ContractedCost"} {
		cost, billed := r.exact(name), r.exact("BilledCost")
		r.must(!r.category("Credit") || cost == nil || billed == nil || cost.Cmp(billed) == 0, name,
			"MUST be BilledCost when ChargeCategory is Credit")
	}
}

func (r charge) skus() {
	r.bought("SkuId")
	r.bought("SkuPriceId")
	r.within("SkuMeter", "SkuId")
	r.within("SkuPriceDetails", "SkuPriceId")
	if price, sku := r.of("SkuPriceId"), r.of("SkuId"); price != "" && sku != "" {
		parent, known := r.checker.skus[price]
		r.must(!known || parent == sku, "SkuPriceId", "MUST have one parent SkuId: %q has two", short(price))
		r.checker.skus[price] = sku
	}
}

func (r charge) discounts() {
	id := "CommitmentDiscountId"
	r.together("CommitmentDiscountCategory", id)
	r.together("CommitmentDiscountType", id)
	r.within("CommitmentDiscountName", id)
	r.within("CommitmentDiscountStatus", id)
	r.within("CommitmentDiscountQuantity", id)
	r.together("CommitmentDiscountUnit", "CommitmentDiscountQuantity")
	r.must(r.of("CommitmentDiscountStatus") != "" || r.of(id) == "" || !r.category("Usage"), "CommitmentDiscountStatus",
		"MUST NOT be null when %s is not null and ChargeCategory is Usage", id)
	id = "CapacityReservationId"
	r.within("CapacityReservationStatus", id)
	r.must(r.of("CapacityReservationStatus") != "" || r.of(id) == "" || !r.category("Usage"), "CapacityReservationStatus",
		"MUST NOT be null when %s is not null and ChargeCategory is Usage", id)
}

// belongs: names and types go with their ids.
func (r charge) belongs() {
	r.together("SubAccountName", "SubAccountId")
	r.together("SubAccountType", "SubAccountId")
	r.together("RegionName", "RegionId")
	r.together("ResourceType", "ResourceId")
	r.within("ResourceName", "ResourceId")
	r.within("AllocatedResourceName", "AllocatedResourceId")
	r.within("AllocatedMethodDetails", "AllocatedMethodId")
	r.within("AllocatedResourceId", "AllocatedMethodId")
}

// services: a service has one category, and a subcategory is of its own category.
func (r charge) services() {
	name, category := r.of("ServiceName"), r.of("ServiceCategory")
	was, known := r.categories[name]
	r.must(!known || was == category, "ServiceName", "MUST have one ServiceCategory: %q has two", short(name))
	r.categories[name] = category
	sub := r.of("ServiceSubcategory")
	for _, s := range services {
		if s[0] == category {
			r.must(slices.Contains(s[1:], sub) || sub == otherOf(category), "ServiceSubcategory", "%q MUST be of ServiceCategory %q", sub, category)
		}
	}
}
