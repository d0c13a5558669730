package llm

// foreignPatterns say in other languages what the ones above say in English: forget your
// instructions, this alert is harmless, call it so, close it, you are now.
var foreignPatterns = []pattern{
	{"de_override", "", "ignoriere ignorieren ignoriert vergiss vergessen missachte missachten",
		`{<}(?:ignorier(?:e|en|t)|vergiss|vergessen|missachten?) (?:\pL+ ){0,5}?(?:anweisung\w*|instruktion\w*|regeln?|befehle?|vorgaben?|prompts?|aufgaben?|richtlinien?)`},
	{"de_claim", "", "alarm alert vorfall meldung ereignis fund warnung aktivität fall",
		`{<}(?:diese[rs]?|der|die|das) (?:alarm|alert|vorfall|meldung|ereignis|fund|warnung|aktivität|fall) (?:ist|war|wurde) (?:\pL+ ){0,3}?(?:harmlos|gutartig|ungefährlich|fehlalarm|legitim|unbedenklich|geprüft|freigegeben|autorisiert|genehmigt)`},
	{"de_call_it", "", "als", `{<}als (?:\pL+ ){0,2}?(?:harmlos|gutartig|fehlalarm|unbedenklich|ungefährlich|falsch.?positiv) (?:ein(?:zu)?stuf\w*|markier\w*|bewert\w*|klassifizier\w*|schließ\w*|behandel\w*|ein)`},
	{"de_call_it2", "", "stufe markiere bewerte klassifiziere behandle schließe schliesse beende eskaliere eskalieren du sie", `{<}(?:(?:stufe|markiere?n?|bewerte|klassifiziere|behandle) (?:\pL+ ){0,4}?als (?:\pL+ )?(?:harmlos|gutartig|fehlalarm|unbedenklich|ungefährlich|legitim)|(?:schlie(?:ß|ss)en?|beenden?) (?:sie )?(?:diesen|den|dieses|das) (?:alarm|alert|vorfall|fall|ticket|ereignis)|nicht (?:zu )?eskalieren|eskaliere(?:n sie)? (?:\pL+ ){0,3}?nicht|du bist (?:jetzt|nun|ab jetzt|ein|eine) |sie sind (?:jetzt|nun) (?:ein|eine) )`},

	{"fr_override", "", "ignore ignorez ignorer oublie oubliez oublier",
		`{<}(?:ignore[zr]?|oublie[zr]?) (?:[\pL']+ ){0,5}?(?:instructions?|consignes?|directives?|règles?|ordres?) `},
	{"fr_claim", "", "alerte activité détection événement incident",
		`{<}(?:cette|cet|l.|la|le) ?(?:alerte|activité|détection|événement|incident) (?:est|était|a été) (?:\pL+ ){0,3}?(?:bénigne?|légitime|faux positif|sans danger|inoffensi\w+|sûre?|approuvée?|autorisée?)`},
	{"fr_call_it", "", "comme ferme fermez fermer clôture clôturez clôturer escalader escalade tu vous", `{<}(?:(?:class\w+|marqu\w+|considér\w+|trait\w+|étiquet\w+) (?:[\pL']+ ){0,4}?comme (?:\pL+ ){0,2}?(?:bénigne?|faux positif|légitime|sûre?|inoffensi\w+)|(?:ferme|clôture|fermez|clôturez|fermer|clôturer) (?:cette |cet |l.)(?:alerte|incident|événement)|n.?(?:e )?(?:pas )?escalade[zr]? ?(?:pas)?|tu es (?:maintenant|désormais)|vous êtes (?:maintenant|désormais))`},

	{"es_override", "", "ignora ignore ignorar ignorad olvida olvide olvidar omite",
		`{<}(?:ignor(?:a|e|ar|ad)|olvid(?:a|e|ar)|omite) (?:\pL+ ){0,5}?(?:instrucciones|instrucción|reglas|indicaciones|órdenes|directrices)`},
	{"es_claim", "", "alerta alarma evento actividad incidente detección",
		`{<}(?:est[ae]|la|el) (?:alerta|alarma|evento|actividad|incidente|detección) (?:es|era|fue|ha sido|está) (?:\pL+ ){0,3}?(?:benign[ao]|falso positivo|legítim[ao]|segur[ao]|inofensiv[ao]|aprobad[ao]|autorizad[ao])`},
	{"es_call_it", "", "como cierra cierre cerrar escale escalar escales eres ahora", `{<}(?:(?:marc\w+|clasific\w+|consider\w+|trat\w+|etiquet\w+) (?:\pL+ ){0,4}?como (?:\pL+ ){0,2}?(?:benign\w+|falso positivo|legítim\w+|segur[ao]|inofensiv\w+)|(?:cierra|cierre|cerrar) (?:esta|este|la|el) (?:alerta|alarma|incidente|evento|caso)|no (?:\pL+ )?escal(?:e|es|ar)|ahora eres|eres ahora)`},

	{"pt_override", "", "ignore ignora ignorar esqueça esquecer desconsidere",
		`{<}(?:ignor(?:e|a|ar)|esqueça|esquecer|desconsidere) (?:\pL+ ){0,5}?(?:instruções|instrução|regras|ordens|diretrizes|orientações)`},
	{"pt_claim", "", "alerta evento atividade incidente detecção",
		`{<}(?:est[ae]|o|a) (?:alerta|evento|atividade|incidente|detecção) (?:é|era|foi|está) (?:\pL+ ){0,3}?(?:benign[ao]|falso positivo|legítim[ao]|segur[ao]|inofensiv[ao]|aprovad[ao]|autorizad[ao])`},
	{"pt_call_it", "", "como feche fechar encerre escale escalar agora você", `{<}(?:(?:marqu\w+|classifi\w+|consider\w+|trat\w+) (?:\pL+ ){0,4}?como (?:\pL+ ){0,2}?(?:benign\w+|falso positivo|legítim\w+|segur[ao]|inofensiv\w+)|(?:feche|fechar|encerre) (?:este|esta|o|a) (?:alerta|incidente|evento|caso)|não (?:\pL+ )?escal(?:e|ar)|agora você é|você (?:é|será) agora)`},

	{"ru_override", "", "игнорируй игнорируйте проигнорируй проигнорируйте забудь забудьте отмени отмените",
		`{<}(?:про)?(?:игнорируй|забудь|отмени)(?:те)? (?:\pL+ ){0,5}?(?:инструкци\pL*|указани\pL*|правил\pL*|команд\pL*|приказ\pL*|промпт\pL*)`},
	{"ru_claim", "", "оповещение предупреждение событие алерт инцидент тревога срабатывание активность",
		`{<}(?:это|этот|эта|данное|данный|данная) (?:оповещение|предупреждение|событие|алерт|инцидент|тревога|срабатывание|активность)(?: [—–-])? (?:\pL+ ){0,3}?(?:безопасн\pL*|ложн\pL*|легитимн\pL*|безвредн\pL*|доброкачественн\pL*|разрешен\pL*|одобрен\pL*)`},
	{"ru_call_it", "", "как закрой закройте эскалируй эскалируйте теперь", `{<}(?:(?:отмет\pL+|пометь\pL*|классифициру\pL+|считай\pL*) (?:\pL+ ){0,4}?как (?:\pL+ ){0,2}?(?:безопасн\pL*|ложн\pL*|легитимн\pL*|безвредн\pL*)|закрой(?:те)? (?:это|этот|данное|данный) (?:оповещение|предупреждение|событие|алерт|инцидент)|не эскалируй(?:те)?|(?:ты|вы) теперь)`},

	{"zh_override", "", "", `(?:忽略|无视|無視|忘记|忘記|不要理会|请忽略|請忽略).{0,12}?(?:指令|指示|说明|說明|规则|規則|提示|命令|要求)`},
	{"zh_claim", "", "", `(?:此|该|該|这个|這個|本|这条|這條|这是|這是).{0,2}?(?:警报|告警|警報|事件|活动|活動|检测|檢測).{0,8}?(?:良性|误报|誤報|安全的?|正常|无害|無害|已批准|已授权)`},
	{"zh_call_it", "", "", `(?:标记|標記|归类|歸類|判定|分类|分類|视|視|评为).{0,3}?为?.{0,3}?(?:良性|误报|誤報|安全|正常|无害|無害)|你(?:现在|現在)是|(?:关闭|關閉)(?:此|该|該|这个|這個)(?:警报|告警|警報|事件)|(?:不要|无需|無需|请勿)(?:升级|上报|上報)`},
	{"ja_override", "", "", `(?:以前|これまで|上記|前|すべて|全て|今まで).{0,12}?(?:指示|命令|指令|ルール|プロンプト).{0,8}?(?:無視|忘れ|無効)`},
	{"ja_claim", "", "", `(?:この|本|当該)(?:アラート|警告|イベント|検知|インシデント|活動).{0,10}?(?:良性|誤検知|安全|無害|正常|問題ありません|問題ない|承認済み)`},
	{"ja_call_it", "", "", `(?:良性|誤検知|安全|無害|正常)と?(?:して|に)?.{0,4}?(?:分類|判定|マーク|扱|処理)|あなたは(?:今|これから)|(?:アラート|インシデント|イベント)を(?:閉じ|クローズ)|エスカレーション.{0,4}?(?:しない|不要)`},
	{"ko_override", "", "", `(?:이전|위의|모든).{0,8}?(?:지시|명령|규칙|프롬프트).{0,8}?(?:무시|잊)|(?:이|해당) ?(?:경고|알림|이벤트).{0,8}?(?:정상|오탐|안전|무해)`},
}
