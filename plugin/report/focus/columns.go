// Package focus writes and checks bills in the FinOps Open Cost and Usage Specification, version 1.3: the Cost and
// Usage dataset as CSV. The check is written from the specification's text, not from what the writer does.
package focus

import "strings"

// Version of the specification that files are written in and held against.
const Version = "1.3"

// level says when a column has to be there.
type level int

const (
	conditional level = iota // where the provider has what it tells of
	recommended              // always, but only SHOULD
	mandatory
)

// kind is what a cell of a column holds.
type kind int

const (
	text     kind = iota
	decimal       // Numeric Format
	moment        // Date/Time Format
	currency      // Currency Format: the code of a currency
	pairs         // Key-Value Format: a JSON object of single values
	object        // JSON Object Format
)

// column is one that the specification defines. Columns that it does not know begin with x_.
type column struct {
	name   string
	level  level
	kind   kind
	null   bool     // no value is allowed
	values []string // the only ones that are allowed; nil: any
}

// columns are those of the Cost and Usage dataset, in their order. ProviderName and PublisherName are deprecated in
// 1.3 and still have to be there.
var columns = []column{
	{name: "AllocatedMethodDetails", kind: object, null: true},
	{name: "AllocatedMethodId", null: true},
	{name: "AllocatedResourceId", null: true},
	{name: "AllocatedResourceName", null: true},
	{name: "AllocatedTags", kind: pairs, null: true},
	{name: "AvailabilityZone", null: true},
	{name: "BilledCost", level: mandatory, kind: decimal},
	{name: "BillingAccountId", level: mandatory},
	{name: "BillingAccountName", level: mandatory, null: true},
	{name: "BillingAccountType"},
	{name: "BillingCurrency", level: mandatory, kind: currency},
	{name: "BillingPeriodEnd", level: mandatory, kind: moment},
	{name: "BillingPeriodStart", level: mandatory, kind: moment},
	{name: "CapacityReservationId", null: true},
	{name: "CapacityReservationStatus", null: true, values: []string{"Used", "Unused"}},
	{name: "ChargeCategory", level: mandatory, values: []string{"Usage", "Purchase", "Tax", "Credit", "Adjustment"}},
	{name: "ChargeClass", level: mandatory, null: true, values: []string{"Correction"}},
	{name: "ChargeDescription", level: mandatory, null: true},
	{name: "ChargeFrequency", level: recommended, values: []string{"One-Time", "Recurring", "Usage-Based"}},
	{name: "ChargePeriodEnd", level: mandatory, kind: moment},
	{name: "ChargePeriodStart", level: mandatory, kind: moment},
	{name: "CommitmentDiscountCategory", null: true, values: []string{"Spend", "Usage"}},
	{name: "CommitmentDiscountId", null: true},
	{name: "CommitmentDiscountName", null: true},
	{name: "CommitmentDiscountQuantity", kind: decimal, null: true},
	{name: "CommitmentDiscountStatus", null: true, values: []string{"Used", "Unused"}},
	{name: "CommitmentDiscountType", null: true},
	{name: "CommitmentDiscountUnit", null: true},
	{name: "ConsumedQuantity", kind: decimal, null: true},
	{name: "ConsumedUnit", null: true},
	{name: "ContractApplied", kind: object, null: true},
	{name: "ContractedCost", level: mandatory, kind: decimal},
	{name: "ContractedUnitPrice", kind: decimal, null: true},
	{name: "EffectiveCost", level: mandatory, kind: decimal},
	{name: "HostProviderName", level: mandatory, null: true},
	{name: "InvoiceId", level: recommended, null: true},
	{name: "InvoiceIssuerName", level: mandatory},
	{name: "ListCost", level: mandatory, kind: decimal},
	{name: "ListUnitPrice", kind: decimal, null: true},
	{name: "PricingCategory", null: true, values: []string{"Standard", "Dynamic", "Committed", "Other"}},
	{name: "PricingCurrency"},
	{name: "PricingCurrencyContractedUnitPrice", kind: decimal, null: true},
	{name: "PricingCurrencyEffectiveCost", kind: decimal},
	{name: "PricingCurrencyListUnitPrice", kind: decimal, null: true},
	{name: "PricingQuantity", level: mandatory, kind: decimal, null: true},
	{name: "PricingUnit", level: mandatory, null: true},
	{name: "ProviderName", level: mandatory},
	{name: "PublisherName", level: mandatory},
	{name: "RegionId", null: true},
	{name: "RegionName", null: true},
	{name: "ResourceId", null: true},
	{name: "ResourceName", null: true},
	{name: "ResourceType", null: true},
	{name: "ServiceCategory", level: mandatory, values: serviceCategories()},
	{name: "ServiceName", level: mandatory},
	{name: "ServiceProviderName", level: mandatory},
	{name: "ServiceSubcategory", level: recommended, values: serviceSubcategories()},
	{name: "SkuId", null: true},
	{name: "SkuMeter", null: true},
	{name: "SkuPriceDetails", kind: pairs, null: true},
	{name: "SkuPriceId", null: true},
	{name: "SubAccountId", null: true},
	{name: "SubAccountName", null: true},
	{name: "SubAccountType", null: true},
	{name: "Tags", kind: pairs, null: true},
}

// services are the allowed values of ServiceSubcategory under each of ServiceCategory. Every category also has an
// "Other" of its own.
var services = [][]string{
	{"AI and Machine Learning", "AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing"},
	{"Analytics", "Analytics Platforms", "Business Intelligence", "Data Processing", "Search", "Streaming Analytics"},
	{"Business Applications", "Productivity and Collaboration"},
	{"Compute", "Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines"},
	{"Databases", "Caching", "Data Warehouses", "Ledger Databases", "NoSQL Databases", "Relational Databases", "Time Series Databases"},
	{
		"Developer Tools", "Developer Platforms", "Continuous Integration and Deployment", "Development Environments", "Source Code Management",
		"Quality Assurance",
	},
	{"Identity", "Identity and Access Management"},
	{"Integration", "API Management", "Messaging", "Workflow Orchestration"},
	{"Internet of Things", "IoT Analytics", "IoT Platforms"},
	{
		"Management and Governance", "Architecture", "Compliance", "Cost Management", "Data Governance", "Disaster Recovery", "Endpoint Management",
		"Observability", "Support",
	},
	{"Media", "Content Creation", "Gaming", "Media Streaming", "Mixed Reality"},
	{"Migration", "Data Migration", "Resource Migration"},
	{"Mobile"},
	{"Multicloud", "Multicloud Integration"},
	{
		"Networking", "Application Networking", "Content Delivery", "Network Connectivity", "Network Infrastructure", "Network Routing",
		"Network Security",
	},
	{"Security", "Secret Management", "Security Posture Management", "Threat Detection and Response"},
	{"Storage", "Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platforms"},
	{"Web", "Application Platforms"},
	{"Other"},
}

func serviceCategories() (out []string) {
	for _, s := range services {
		out = append(out, s[0])
	}
	return out
}

func serviceSubcategories() (out []string) {
	for _, s := range services {
		out = append(append(out, s[1:]...), otherOf(s[0]))
	}
	return out
}

func otherOf(category string) string { return "Other (" + category + ")" }

// custom reports whether a column is one of the data generator's own.
func custom(name string) bool { return strings.HasPrefix(name, "x_") && len(name) > len("x_") }
