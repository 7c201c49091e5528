# SPDX-License-Identifier: GPL-3.0-or-later
# parameters.awk: the rows of daemon/options.def as the agent's parameters.
# mode=xml: <parameter> elements for the meta-data; mode=names: the names, one a line; mode=rng: what
# the schema of the CIB (cib-schema/cotdb.rng.in) says about them.
# tests/unit/test_agent_metadata.c compares the result with the table that the compiler sees.
function xml(text) {
	gsub(/\\"/, "\"", text)
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	gsub(/"/, "\\&quot;", text)
	return text
}

/^OPTION\([a-z_]+, [A-Z]+, "/ {
	row = $0
	sub(/^OPTION\(/, "", row)
	sub(/"\)[ \t]*$/, "", row)
	name = type = row
	sub(/,.*/, "", name)
	sub(/^[^,]*, /, "", type)
	sub(/,.*/, "", type)
	sub(/^[^"]*"/, "", row)
	n = split(row, field, /", "/)
	text = field[3]
	for (i = 4; i <= n; i++)
		text = text "\", \"" field[i]
	if (mode == "names") {
		print name
		next
	}
	if (mode == "rng") {
		printf "      <element name=\"nvpair\"><optional><attribute name=\"id\"/></optional>"
		printf "<attribute name=\"name\"><value type=\"string\">%s</value></attribute>", name
		printf "<attribute name=\"value\"><ref name=\"%s\"/></attribute></element>\n", tolower(type)
		next
	}
	kind = "string"
	if (type == "BOOL")
		kind = "boolean"
	else if (type == "PORT" || type == "COUNT")
		kind = "integer"
	title = name
	gsub(/_/, " ", title)
	printf "<parameter name=\"%s\">\n", name
	printf "<longdesc lang=\"en\">%s%s.</longdesc>\n", toupper(substr(xml(text), 1, 1)), substr(xml(text), 2)
	printf "<shortdesc lang=\"en\">%s</shortdesc>\n", title
	printf "<content type=\"%s\" default=\"%s\"/>\n", kind, xml(field[1])
	printf "</parameter>\n"
}
