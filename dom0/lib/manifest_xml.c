/* SPDX-License-Identifier: MIT */
/*
 * libxml2 parses; what it complains about is said in our words.
 * X3  The parser opens no file and no connection, and expands nothing (X1 leaves it nothing to expand).
 */
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/xmlerror.h>

#include "manifest_text.h"
#include "need.h"

static const struct wording {
	int code;
	const char *text;
} wordings[] = {
	{ XML_ERR_DOCUMENT_EMPTY, "no element begins here\nwrite <domain type='skink'> … </domain>" },
	{ XML_ERR_DOCUMENT_END, "something follows the end of the manifest\none file holds one <domain>: take the rest out" },
	{ XML_ERR_TAG_NAME_MISMATCH, "<%1> is closed by </%2>\nclose each element before the one it stands in" },
	{ XML_ERR_TAG_NOT_FINISHED, "<%1> is never closed\nwrite </%1> at its end" },
	{ XML_ERR_GT_REQUIRED, "the tag does not end\nwrite '>' or '/>' at its end" },
	{ XML_ERR_LTSLASH_REQUIRED, "the element is never closed\nwrite its end tag" },
	{ XML_ERR_LT_IN_ATTRIBUTE, "'<' stands in an attribute's value, or a quotation mark is missing before it\n"
	  "write &lt;, or close the value" },
	{ XML_ERR_ATTRIBUTE_NOT_STARTED, "an attribute's value has no quotation marks\nwrite name='value'" },
	{ XML_ERR_ATTRIBUTE_NOT_FINISHED, "an attribute's value does not end\nclose its quotation mark" },
	{ XML_ERR_ATTRIBUTE_WITHOUT_VALUE, "an attribute has no value\nwrite name='value'" },
	{ XML_ERR_ATTRIBUTE_REDEFINED, "attribute '%1' stands here twice\nkeep one of them" },
	{ XML_ERR_SPACE_REQUIRED, "a space is missing\nwrite one between the attributes" },
	{ XML_ERR_NAME_REQUIRED, "a name is missing: '<' or '&' begins no tag here\nwrite &lt; or &amp; if it is text" },
	{ XML_ERR_INVALID_CHAR, "a character that XML does not allow is here\ntake it out" },
	{ XML_ERR_UNDECLARED_ENTITY, "'&%1;' is not defined, XML has only &amp; &lt; &gt; &quot; and &apos;\n"
	  "write the text itself, and &amp; for '&'" },
	{ XML_WAR_UNDECLARED_ENTITY, "'&%1;' is not defined, XML has only &amp; &lt; &gt; &quot; and &apos;\n"
	  "write the text itself, and &amp; for '&'" },
	{ XML_ERR_ENTITYREF_SEMICOL_MISSING, "an entity does not end with ';'\nwrite &amp; if '&' is meant" },
	{ XML_ERR_INVALID_CHARREF, "a character reference is no character of XML\nwrite the character itself" },
	{ XML_ERR_INVALID_HEX_CHARREF, "a character reference is no hexadecimal number\nwrite the character itself" },
	{ XML_ERR_INVALID_DEC_CHARREF, "a character reference is no number\nwrite the character itself" },
	{ XML_ERR_COMMENT_NOT_FINISHED, "a comment does not end\nwrite --> at its end" },
	{ XML_ERR_HYPHEN_IN_COMMENT, "'--' stands in a comment\nwrite '- -'" },
	{ XML_ERR_CDATA_NOT_FINISHED, "a CDATA section does not end\nwrite ]]> at its end" },
	{ XML_ERR_MISPLACED_CDATA_END, "']]>' stands in text\nwrite ]]&gt;" },
	{ XML_ERR_PI_NOT_FINISHED, "a processing instruction does not end\nwrite ?> at its end" },
	{ XML_ERR_RESERVED_XML_NAME, "an XML declaration stands in the middle\nlet <?xml … ?> be the very first in the file" },
	{ XML_ERR_XMLDECL_NOT_FINISHED, "the XML declaration does not end\nwrite <?xml version='1.0' encoding='UTF-8'?>" },
	{ XML_ERR_VERSION_MISSING, "the XML declaration has no version\nwrite <?xml version='1.0' encoding='UTF-8'?>" },
	{ XML_ERR_UNKNOWN_VERSION, "this is no version of XML\nwrite <?xml version='1.0' encoding='UTF-8'?>" },
	{ XML_WAR_UNKNOWN_VERSION, "this is no version of XML\nwrite <?xml version='1.0' encoding='UTF-8'?>" },
	{ XML_NS_ERR_UNDEFINED_NAMESPACE, "the prefix '%1' is not defined\nwrite xmlns:skink='urn:skink:manifest:1' "
	  "into <domain> if it is skink, or leave it out" },
	{ XML_NS_ERR_ATTRIBUTE_REDEFINED, "an attribute stands here twice\nkeep one of them" },
};

struct complaint {
	struct document *document;
	bool was_made;
};

static const char *wording_for(int code)
{
	for (size_t i = 0; i < sizeof(wordings) / sizeof(wordings[0]); i++)
		if (wordings[i].code == code)
			return wordings[i].text;
	return NULL;
}

/* "%1" and "%2" in a wording are the names that libxml2 gives. */
static char *filled_in(const char *wording, const xmlError *error)
{
	char *text = need_copy("");

	while (*wording) {
		size_t length = strcspn(wording, "%");
		const char *name = !wording[length] ? "" : wording[length + 1] == '1' ? error->str1 : error->str2;
		char *longer = need_text("%s%.*s%s", text, (int)length, wording, name ? name : "");

		free(text);
		text = longer;
		wording += wording[length] ? length + 2 : length;
	}
	return text;
}

/* The element that a complaint is about: the one that libxml2 names, or the last that began before. */
static const char *element_for(const struct document *document, const xmlError *error, struct position at)
{
	const struct tag *tag = document_tag_before(document, at);

	if (error->code == XML_ERR_DOCUMENT_END)
		return document->tag_count ? document->tags[0].name : "domain";
	if ((error->code == XML_ERR_TAG_NAME_MISMATCH || error->code == XML_ERR_TAG_NOT_FINISHED) && error->str1)
		return error->str1;
	return tag ? tag->name : "domain";
}

/* The first one counts: what a parser says after it has lost its way helps nobody. */
static void on_error(void *context, xmlError *error)
{
	struct complaint *complaint = context;
	struct document *document = complaint->document;
	struct position at = { error->line > 0 ? error->line : 1, error->int2 > 0 ? error->int2 : 1 };
	struct blame blame = { document->file, at, element_for(document, error, at) };
	const char *wording = wording_for(error->code);
	char *text;

	if (complaint->was_made)
		return;
	complaint->was_made = true;
	if (wording) {
		text = filled_in(wording, error);
	} else {
		char *said = need_copy(error->message ? error->message : "not well formed");

		said[strcspn(said, "\n")] = 0;
		text = need_text("this is not XML, libxml2 says: %s\nmend it there", said);
		free(said);
	}
	report_error(document->report, &blame, "%s", text);
	free(text);
}

/* X2 */
static void join_tags(struct document *document)
{
	xmlNode *node = xmlDocGetRootElement(document->xml);
	size_t tag = 0;

	while (node) {
		if (node->type == XML_ELEMENT_NODE)
			node->_private = tag < document->tag_count ? &document->tags[tag++] : NULL;
		if (node->type == XML_ELEMENT_NODE && node->children) {
			node = node->children;
			continue;
		}
		while (node && !node->next)
			node = node->parent && node->parent->type == XML_ELEMENT_NODE ? node->parent : NULL;
		node = node ? node->next : NULL;
	}
}

bool document_parse(struct document *document)
{
	xmlParserCtxt *context = xmlNewParserCtxt();
	struct complaint complaint = { document, false };
	xmlDoc *xml;

	if (!context)
		abort();
	xmlSetStructuredErrorFunc(&complaint, on_error);
	xml = xmlCtxtReadMemory(context, document->text, document->length, document->file, "UTF-8",
				XML_PARSE_NONET | XML_PARSE_NOCDATA);
	xmlSetStructuredErrorFunc(NULL, NULL);
	xmlFreeParserCtxt(context);
	if (complaint.was_made || !xml) {
		xmlFreeDoc(xml);
		return false;
	}
	document->xml = xml;
	join_tags(document);
	return true;
}

void document_close(struct document *document)
{
	xmlFreeDoc(document->xml);
	document_close_text(document);
}
