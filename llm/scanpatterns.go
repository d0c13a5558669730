package llm

import "slices"

// pattern is one way in which a text addresses its reader. A text is matched where one of the
// anchor words stands, so anchors must be words that any match contains; a pattern without
// anchors is for languages that write without spaces, and looks through any text in them.
type pattern struct {
	id      string
	needs   string // text that any match contains, "" for none: a cheap first look
	anchors string // separated by spaces
	expr    string // see spell for its short forms; the text is in lower case, one space between words
}

// patternTable lists all patterns. They describe how a text turns to a reader (commands, roles,
// claims about the alert itself), not what attacks look like: those belong in the alert.
func patternTable() []pattern {
	return slices.Concat(commandPatterns, claimPatterns, markupPatterns, foreignPatterns)
}

// Words used in several expressions.
const (
	earlier  = `(?:previous|prior|above|earlier|preceding|foregoing|former|existing|original|initial|past|your|system|safety|those|these|all|any|every)`
	orders   = `(?:instructions?|prompts?|rules?|guidelines?|directives?|directions?|commands?|orders?|constraints?|restrictions?|training|programming|guardrails?|guidance|context)`
	reader   = `(?:ai|a\.i\.|llms?|language models?|assistants?|chatbots?|chatgpt|gpt(?:-?\d)?|claude|gemini|copilot|soc (?:analysts?|agents?|bots?|automation)|analysts?|reviewers?|triage (?:agents?|bots?|engines?|systems?)|classifiers?|automated (?:systems?|agents?|analysts?|triage|review\w*)|ai models?)`
	subject  = `(?:alerts?|alarms?|detections?|findings?|incidents?|notables?|events?|cases?|tickets?|activity|activities|offenses?|verdict|investigations?)`
	harmless = `(?:benign|harmless|false positives?|false_positives?|falsepositive\w*|benignpositive|fps?|safe|legitimate|legit|non malicious|not malicious|nonmalicious|not a threat|no threat|authori[sz]ed|pre ?approved|approved|expected|white ?listed|allow ?listed|a test|only a test|cleared|resolved|closed|informational|trusted|low (?:risk|severity|priority))`
)

// commandPatterns are orders to the reader.
var commandPatterns = []pattern{
	{"override", "", "ignore ignoring disregard disregarding forget forgetting neglect",
		`{<}(?:ignore|ignoring|disregard(?:ing)?|forget(?:ting)?|neglect) (?:\pL+ ){0,3}?` + earlier + ` (?:[\pL-]+ ){0,4}?` + orders},
	{"override_all", "", "ignore disregard forget",
		`{<}(?:ignore|disregard|forget) (?:everything|anything|all|what(?:ever)?) (?:\pL+ ){0,3}?(?:above|before|previously|prior|said|told|instructed|earlier|learned)`},
	{"override_soft", "", "override overrides overriding bypass supersede supersedes instead replaces",
		`{<}(?:overrides?|overriding|bypass|supersedes?|replaces?|instead of) (?:\pL+ ){0,3}?(?:previous|prior|above|earlier|preceding|your|original|system) (?:\pL+ ){0,3}?(?:instructions?|prompts?|guidelines?|directives?|training|programming|guardrails?)`},
	{"new_instructions", "", "instructions instruction task",
		`{<}(?:new|updated|revised|real|actual|following|important|additional|special|your|latest|urgent) (?:\pL+ ){0,2}?(?:instructions?|task)(?: (?:are|is|as follows|below|override|supersede|for you)|\s?:)`},
	{"from_now_on", "", "now", `{<}(?:from now on|starting now|as of now|for the rest of this (?:conversation|session|chat)) ?(?:\pL+ ){0,2}?(?:you|your|act|answer|respond|treat|all|every|ignore)`},
	{"you_are", "", "you pretend act roleplay", `{<}(?:you are (?:now |going to |about to |actually |currently |henceforth )?(?:an? |the |my )?(?:\pL+ ){0,2}?(?:` + reader + `|dan|unrestricted|jailbroken|unfiltered|free|role ?play\w*|immers\w*|in (?:developer|debug|admin|maintenance|god|test|training|demo) mode)|(?:pretend|act as (?:if|though)|imagine) (?:that )?you|pretend to be|act as (?:an? |the |my )?(?:\pL+ ){0,2}?(?:` + reader + `|dan|expert|character|persona)){>}`},
	{"do_not_escalate", "", "not don dont never no without unnecessary", `{<}(?:do not|don.?t|never|must not|should not|no need to|without|not necessary to|unnecessary to) (?:need to |to )?(?:escalat\w+|alert(?:ing)? (?:anyone|anybody|the)|page|paging|raise (?:an?|this|any)|notify\w* (?:anyone|the|a )|report (?:this|it)|flag (?:this|it)|investigat\w+|block (?:this|the)|isolat\w+|quarantin\w+)`},
	{"no_action", "", "no", `{<}no (?:further |additional |follow.?up |human |manual )?(?:action|investigation|escalation|review|analysis|response|triage) (?:is |are |was )?(?:needed|required|necessary|warranted)`},
	{"close_it", "", "close dismiss suppress resolve mute drop discard archive acknowledge ignore skip closing auto",
		`{<}(?:(?:auto ?)?close|closing|dismiss|suppress|resolve|mute|drop|discard|archive|acknowledge|ignore|skip) (?:out )?(?:this|the|these|that|all|any|related|every|such) (?:\pL+ ){0,2}?` + subject + `{>}`},
	{"call_it", "", "mark classify label categorize categorise treat rate score consider conclude declare judge deem assign grade tag close resolve regard",
		`{<}(?:mark|classify|label|categori[sz]e|treat|rate|score|consider|conclude|declare|judge|deem|assign|grade|tag|close|resolve|regard) (?:[\pL"'’:_-]+ ){0,6}?(?:as |with |to |be |is |that |it |of )?(?:an? |the )?["'“]?` + harmless + `{>}`},
	{"say_it", "", "set return respond answer output vote report say reply state write",
		`{<}(?:vote safe|(?:set|return|respond|answer|output|vote|report|say|reply|state|write) (?:[\pL"'’:_-]+ ){0,6}?(?:benign|harmless|false ?_?positives?|falsepositive\w*|benignpositive|non malicious|not malicious|no threat|safe verdict)){>}`},
	{"confidence_order", "", "confidence", `{<}(?:set|assign|use|return|give|with|state|report|output) (?:\pL+ ){0,4}?confidence (?:\pL+ ){0,3}?(?:100|9\d|high|maximum)`},
	{"answer_form", "", "respond reply answer output return say print",
		`{<}(?:respond|reply|answer|output|return|say|print) (?:only|exactly|just|simply|nothing but|with only|with exactly|verbatim) (?:with|in|the|this|as|a|json|"|yes|no|and)`},
	{"addressed", "", "dear hey hello attention note notes message memo instruction instructions reminder hi notice warning important psa fyi",
		`{<}(?:dear|hey|hello|hi|attention|notes? (?:to|for)|message (?:to|for)|memo (?:to|for)|instructions? (?:to|for)|reminder (?:to|for)|notice (?:to|for)|important|fyi)[\x20,:_.-]{1,3}(?:the |any |all |to |for |our |an? )?(?:\pL+ ){0,2}?` + reader + `{>}`},
	{"if_you_are", "", "you", `{<}(?:if|when|since|because|as) you(?: are|.re) (?:an? |the |reading |processing |reviewing |analy[sz]ing |evaluating |triaging )(?:\pL+ ){0,3}?(?:` + reader + `|` + subject + `|this)`},
	{"as_an_ai", "", "ai llm language automated", `{<}as an? (?:ai|llm|language model|ai (?:assistant|model|analyst)|automated (?:analyst|system))`},
	{"prompt_talk", "", "prompt prompts", `{<}(?:(?:system|hidden|initial|secret|developer|original|internal|your) prompts?{>}|(?:reveal|print|repeat|show|leak|output|display|disclose|ignore) (?:\pL+ ){0,4}?prompts?{>}|prompt injection|(?:previous|above|following|my|next|this) prompts?{>})`},
	{"leak", "", "reveal repeat print disclose", `{<}(?:reveal|repeat|print|disclose) (?:\pL+ ){0,3}?(?:your|system|initial|hidden|above) (?:\pL+ ){0,3}?(?:instructions?|rules|guidelines|configuration|words|text|secrets?)`},
	{"jailbreak", "", "jailbreak jailbroken dan anything unfiltered uncensored restrictions filters limitations character developer unrestricted censorship", `{<}(?:do anything now|jailbr(?:eak|oken) (?:mode|prompt|yourself|chatgpt|gpt|ai|model|llm|bot)|dan mode|(?:unfiltered|uncensored|unrestricted) (?:and|ai|model|response|answers?|mode|chat\w*|bot|language)|(?:without|no|free of|free from|any) (?:any )?(?:\pL+ ){0,2}?(?:restrictions?|filters?|limitations?|censorship|guidelines)(?: (?:and|or|on|what|at all)|[.,!])|(?:stay|stays|remain|break|breaking|breaks) (?:in |out of )?character|developer mode (?:enabled|output|on))`},
	{"persona", "", "answer respond act acting character persona", `{<}(?:(?:answer|respond|reply|act|acting|speak) (?:\pL+ ){0,3}?(?:like|as) (?:\pL+ ){0,2}?(?:dan|evil|a human|an? evil|an? unfiltered|my|character|persona|machiavelli\w*|the character)|(?:play|playing|take on|adopt) the role|(?:a|this|the|your) (?:fictional |new )?(?:character|persona) (?:named|called|who))`},
	{"tool_call", "", "tool function call invoke execute use", `{<}(?:call|invoke|execute|use) (?:the |your )?(?:\pL+ ){0,2}?(?:tool|function)s? (?:to|with|named|called|and) ?(?:\pL+ )?(?:close|dismiss|suppress|mark|set|approve|delete|allow|whitelist|update|resolve|disable)`},
}

// claimPatterns speak about the alert itself, as only a reviewer would.
var claimPatterns = []pattern{
	{"claim", "", "benign harmless false falsepositive malicious nonmalicious threat preapproved approved whitelisted allowlisted allow white expected safe legitimate authorized authorised test drill exercise simulation pre",
		`{<}(?:this|the|these|above|all|it|that)(?: (?:\pL+ ){0,2}?(?:` + subject + `|traffic|behaviou?r|process|logins?|connections?|host|user|account|scan|file|requests?|command|script|session|transfer|download|domain|binary))? (?:is|are|was|were|has been|have been|should be|must be|can be)(?: \pL+){0,3}? (?:benign|harmless|an? (?:known |confirmed |verified )?false positives?|false positives?|non malicious|not malicious|not a threat|no threat|pre ?approved|white ?listed|allow ?listed|expected behaviou?r|safe to (?:ignore|close|dismiss)|legitimate and|authori[sz]ed (?:by|and|test|security|pen)|an? (?:scheduled |planned |authori[sz]ed |approved |known |routine )(?:\pL+ )?(?:test|drill|exercise|simulation)|(?:safe|legitimate|approved|expected|authori[sz]ed)(?:[.,;!"']|$))`},
	{"analyst_note", "", "analyst analysts soc triage reviewer tier security ir csirt responder l1 l2 l3 admin",
		`{<}(?:analysts?|soc|triage|reviewer|tier ?[1-3]|l[1-3]|security (?:team|operations|analyst)|ir team|csirt|responder|blue team|admin)(?: \pL+)?(?:.s)? (?:notes?|comments?|verdict|decision|conclusion|remarks?|disposition|assessment|determination|resolution|feedback) ?(?:[:=>–-]|is |was |that )`},
	{"approved_by", "", "approved cleared verified confirmed whitelisted authorised authorized validated signed reviewed vetted triaged closed",
		`{<}(?:approved|cleared|verified|confirmed|whitelisted|authori[sz]ed|validated|signed off|reviewed|vetted|triaged|closed)(?: \pL+){0,3}? by (?:the |our |your )?(?:\pL+ ){0,2}?(?:soc|security|ciso|analysts?|blue ?team|incident response|ir team|csirt|cert|red ?team|infosec|threat intel\w*|secops|sec ops)`},
	{"pentest_claim", "", "pentest penetration red exercise drill assessment simulation", `{<}(?:part of|due to|because of|during|this is|these are|is|from|just) (?:an? |the |our |this )?(?:\pL+ ){0,2}?(?:authori[sz]ed|approved|scheduled|planned|sanctioned|internal|annual|quarterly) (?:\pL+ ){0,2}?(?:pen ?test\w*|penetration test\w*|red ?team\w*|phishing (?:simulation|exercise|test)|security (?:test|assessment|exercise|drill)|attack simulation|tabletop)`},
	{"answer_alike", "", "disposition verdict classification vote is_malicious malicious severity", `["'{,?&\\\x20](?:disposition|verdict|classification|vote|is_malicious|malicious|final_verdict|triage_result)["'\\]{0,3}\s?[:=]\s?["'\\]{0,3}(?:benign\w*|false ?_?positive\w*|safe{>}|not_malicious|clean{>}|close\w*{>}|other["'\\]|undetermined["'\\]|false["'},\s]|truepositive|informational)`},
	{"answer_case", "", "first_response stated what", `["'\\]+(?:first_response|stated)["'\\]+\s?:`},
	{"policy_claim", "", "policy", `{<}(?:per|according to|under|new|updated|soc|security|company) (?:\pL+ ){0,3}?policy (?:[\pL\d.,-]+ ){0,6}?(?:must|should|shall|are|is|requires?)(?: \pL+){0,4}? (?:closed?|benign|ignored?|suppress\w*|dismiss\w*|safe|allow\w*|whitelist\w*)`},
}

// markupPatterns look like the inside of a conversation with a model.
var markupPatterns = []pattern{
	{"own_words", "", "benignpositive falsepositivelogic falsepositivedata truepositive winnow winnow_verdict winnow_confidence winnow_taint winnow_proposal benign_facts",
		`{<}(?:benignpositive|falsepositive(?:logic|data)|truepositive|winnow(?:_\pL+| ?(?:: |verdict|says|rule|closed|cached))|benign_facts)`},
	{"chat_role", "role", "role", `["'\x60]?role["'\x60]? ?[:=] ?["'\x60]?(?:system|assistant|developer)`},
	{"auto_close", "", "auto autoclose allowed close escalate escalation triage alert ignore benign", `(?:{<}(?:auto ?close|do not (?:alert|escalate|triage)|no (?:further )?(?:triage|escalation)|safe to ignore|(?:verdicts?|disposition|comment) ?[:=] ?(?:disposition ?: ?)?["'\x60]?(?:benign|cached|closed|1|2|3|4)|(?:network|identity|threat_intel) (?:safe|benign))|\[(?:benign|safe|do not \pL+|false positive)\])`},
	{"chat_token", "<", "im_start im_end endoftext system assistant user begin_of_text end_of_text start_header_id eot_id fim_prefix end_header_id end_of_turn start_of_turn endofprompt",
		`<\|? ?/?(?:im_start|im_end|endoftext|endofprompt|begin_of_text|end_of_text|start_header_id|end_header_id|eot_id|fim_prefix|system|assistant|user|start_of_turn|end_of_turn)\|?>?`},
	{"chat_inst", "", "inst sys", `(?:\[ ?/?inst ?\]|<< ?/?sys ?>>)`},
	{"chat_tag", "<", "system assistant instructions instruction prompt human tool_call tool_use function_calls admin important thinking tool_result user_input untrusted untrusted_data untrusted_input alert alert_data", `</? ?(?:system|assistant|instructions?|prompt|human|tool_call|tool_use|tool_result|function_calls|admin|important|thinking|user_input|untrusted\w*|system[-_\x20](?:prompt|message|reminder|instructions?)|alert|alert_data)(?:\x20[^<>]{0,40})?>`},
	{"chat_heading", "##", "instruction instructions system response assistant", `#{2,4}\s?(?:(?:new |system |end of )?(?:instructions?|system(?: prompt| message)?|response|assistant)) ?(?::|#|$|\s)`},
	{"chat_turn", "", "assistant system developer", `(?:^|[^\pL\pN:/._-]|\\n)(?:assistant|system|developer)\s?:\s(?:you|sure|ok|okay|the|this|ignore|verdict|disposition|close|mark|i |based|after|thanks|new|all|please|final|respond|classify|treat|from|as |do |stop|end|override)`},
	{"system_note", "", "system admin administrator developer soc", `{<}(?:system|admin|administrator|developer|soc)[\x20_-]{1,2}(?:prompt|message|note|override|instructions?|notice|directive|command|announcement)s? ?[:\]>=–-]`},
	{"boundary", "", "end begin start", `{<}(?:end|begin|start)(?:ing)? of (?:the )?(?:alert|untrusted|user input|user data|system|instructions?|prompt|context|evidence|document|input data|event data)(?: (?:data|prompt|message|instructions?|content|text))?{>}`},
	{"json_fence", "```", "json", "```\\s?json.{0,80}?[\"'](?:disposition|verdict|vote|confidence|classification|severity)"},
	{"comment", "", "ai llm assistant model note instruction instructions prompt analyst", `(?:<!--|/\*|\[//\]: ?#)[^>]{0,60}?{<}(?:ai|llm|assistant|language model|ai model|instructions?|note to|note for|prompt|analyst){>}`},
	{"markdown_image", "![", "http https", `!\[[^\]]{0,60}\]\(\s?https?://[^)\s]{0,120}[?=]`},
}

// squeezed holds phrases without spaces, for text whose letters were written apart.
const squeezed = `(?:ignore|disregard|forget)(?:all|any|the|your)*(?:previous|prior|above|earlier|system|instructions|rules)|systemprompt|(?:close|dismiss|ignore)this(?:alert|case|incident|event)|(?:is|as)(?:a)?(?:benign|falsepositive|safe)|youarenow|donotescalate`
