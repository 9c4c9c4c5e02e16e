/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "manifest.h"
#include "manifest_text.h"
#include "need.h"

/* libxml2 compares each attribute of a tag with all others: hours for a tag of a million of them. */
#define TAG_BYTES_MAX	16384

#define BYTE_ORDER_MARK	"\xef\xbb\xbf"

static bool starts(const struct document *document, size_t offset, const char *word)
{
	size_t length = strlen(word);

	return document->length - offset >= length && memcmp(document->text + offset, word, length) == 0;
}

/* Moves on over one character. */
static void step(struct position *at, unsigned char c)
{
	if (c == '\n')
		*at = (struct position) { at->line + 1, 1 };
	else if ((c & 0xc0) != 0x80)
		at->column++;
}

static struct position position_from(const struct document *document, size_t from, struct position at, size_t to)
{
	for (size_t i = from; i < to && i < document->length; i++)
		step(&at, document->text[i]);
	return at;
}

static size_t text_begin(const struct document *document)
{
	return starts(document, 0, BYTE_ORDER_MARK) ? strlen(BYTE_ORDER_MARK) : 0;
}

struct position document_position(const struct document *document, size_t offset)
{
	return position_from(document, text_begin(document), (struct position) { 1, 1 }, offset);
}

static bool refuse(struct document *document, size_t offset, const char *element, const char *text)
{
	struct blame blame = { document->file, document_position(document, offset), element };

	report_error(document->report, &blame, "%s", text);
	return false;
}

/* ---- encoding ---- */

/* Bytes of the well-formed UTF-8 character at offset; 0: it is none. No surrogates, nothing over U+10FFFF, no detours. */
static size_t utf8_length(const struct document *document, size_t offset)
{
	const unsigned char *c = (const unsigned char *)document->text + offset;
	size_t left = document->length - offset;
	size_t length = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : c[0] < 0xf5 ? 4 : 0;

	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
	    (c[0] == 0xf4 && c[1] > 0x8f))
		return 0;
	return length;
}

static bool is_utf8(struct document *document)
{
	for (size_t offset = 0, length; offset < document->length; offset += length) {
		length = utf8_length(document, offset);
		if (length == 0)
			return refuse(document, offset, "?xml", "a byte here is not UTF-8\nconvert the file: "
				      "iconv -f ISO-8859-1 -t UTF-8, or whatever it is written in");
	}
	return true;
}

/* The value of encoding="..." in <?xml ... ?>; NULL if it is not declared. The caller frees it. */
static char *declared_encoding(const struct document *document, size_t *at)
{
	size_t begin = text_begin(document);
	const char *text = document->text + begin, *end, *name, *value;

	if (!starts(document, begin, "<?xml"))
		return NULL;
	end = memmem(text, document->length - begin, "?>", 2);
	name = end ? memmem(text, end - text, "encoding", 8) : NULL;
	for (value = name ? name + 8 : end; value && value < end && (isspace((unsigned char)*value) || *value == '=');)
		value++;
	if (!name || value >= end || (*value != '"' && *value != '\''))
		return NULL;
	end = memchr(value + 1, *value, end - value - 1);
	*at = name - document->text;
	return end ? need_copy_of(value + 1, end - value - 1) : NULL;
}

static bool declares_utf8(struct document *document)
{
	size_t at = 0;
	char *encoding = declared_encoding(document, &at);
	bool fits = !encoding || strcasecmp(encoding, "UTF-8") == 0 || strcasecmp(encoding, "US-ASCII") == 0;

	if (!fits) {
		struct blame blame = { document->file, document_position(document, at), "?xml" };

		report_error(document->report, &blame, "the file says that it is encoded in '%.32s'\n"
			     "convert it with 'iconv -f %.32s -t UTF-8', and write encoding='UTF-8'", encoding, encoding);
	}
	free(encoding);
	return fits;
}

static bool encoding_is_right(struct document *document)
{
	if (starts(document, 0, "\xff\xfe") || starts(document, 0, "\xfe\xff"))
		return refuse(document, 0, "?xml", "the file is encoded in UTF-16\n"
			      "convert it: iconv -f UTF-16 -t UTF-8, and write encoding='UTF-8'");
	if (memchr(document->text, 0, document->length))
		return refuse(document, (const char *)memchr(document->text, 0, document->length) - document->text,
			      "?xml", "a NUL byte is here, the file is no text\nwrite a manifest in UTF-8");
	return declares_utf8(document) && is_utf8(document);
}

/* ---- tags ---- */

/* Behind the next `end` at or after offset; the end of the text if there is none. */
static size_t behind(const struct document *document, size_t offset, const char *end)
{
	const char *found = memmem(document->text + offset, document->length - offset, end, strlen(end));

	return found ? (size_t)(found - document->text) + strlen(end) : document->length;
}

static bool ends_name(char c)
{
	return isspace((unsigned char)c) || c == '>' || c == '/' || c == '=' || c == '<';
}

static size_t behind_name(const struct document *document, size_t offset)
{
	while (offset < document->length && !ends_name(document->text[offset]))
		offset++;
	return offset;
}

/* From inside a tag to behind its '>'; quoted values are stepped over. */
static size_t behind_tag(const struct document *document, size_t offset)
{
	while (offset < document->length) {
		char c = document->text[offset++];

		if (c == '>')
			break;
		if (c == '"' || c == '\'')
			offset = behind(document, offset, c == '"' ? "\"" : "'");
	}
	return offset;
}

static size_t add_tag(struct document *document, size_t offset, struct position at)
{
	size_t end = behind_name(document, offset + 1);
	char *name = need_copy_of(document->text + offset + 1, end - offset - 1);

	/* A '<' without a name is no tag, and the parser will say so. */
	if (*name)
		*NEED_ONE_MORE(document->tags, document->tag_count) = (struct tag) { offset, at, name };
	else
		free(name);
	return behind_tag(document, end);
}

static bool is_tag(const struct document *document, size_t offset)
{
	return !starts(document, offset, "<!") && !starts(document, offset, "<?") && !starts(document, offset, "</");
}

/* Behind whatever begins with the '<' at offset. */
static size_t behind_markup(struct document *document, size_t offset, struct position at)
{
	if (starts(document, offset, "<!--"))
		return behind(document, offset + 4, "-->");
	if (starts(document, offset, "<![CDATA["))
		return behind(document, offset + 9, "]]>");
	if (starts(document, offset, "<?"))
		return behind(document, offset + 2, "?>");
	if (starts(document, offset, "</"))
		return behind(document, offset + 2, ">");
	return add_tag(document, offset, at);
}

/* X1, X2. False: there is a DOCTYPE, or a tag that is out of all proportion. */
static bool find_tags(struct document *document)
{
	size_t offset = text_begin(document);
	struct position at = { 1, 1 };

	while (offset < document->length) {
		const char *next = memchr(document->text + offset, '<', document->length - offset);
		size_t open = next ? (size_t)(next - document->text) : document->length;

		at = position_from(document, offset, at, open);
		offset = open;
		if (!next)
			break;
		if (starts(document, open, "<!D") || starts(document, open, "<!d"))
			return refuse(document, open, "!DOCTYPE", "a manifest has no DOCTYPE and declares no entities\n"
				      "take it out, and write the text where the entity is used");
		offset = behind_markup(document, open, at);
		if (is_tag(document, open) && offset - open > TAG_BYTES_MAX)
			return refuse(document, open, "domain", "a tag here has more than 16 KiB\n"
				      "close it earlier: a quotation mark or '>' may be missing");
		at = position_from(document, open, at, offset);
	}
	return true;
}

const struct tag *document_tag_before(const struct document *document, struct position at)
{
	const struct tag *found = NULL;

	for (size_t i = 0; i < document->tag_count; i++) {
		struct position tag = document->tags[i].at;

		if (tag.line < at.line || (tag.line == at.line && tag.column <= at.column))
			found = &document->tags[i];
	}
	return found;
}

/* ---- */

static bool is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!isspace((unsigned char)text[i]))
			return false;
	return true;
}

bool document_open(struct document *document, const char *text, size_t length, const char *file, struct report *report)
{
	*document = (struct document) { .file = file, .text = text, .length = length, .report = report };

	if (length > MANIFEST_BYTES_MAX) {
		struct blame blame = { file, { 1, 1 }, "domain" };

		report_error(report, &blame, "the file is larger than any manifest, %u KiB\n"
			     "name the file that holds the manifest; what else there is belongs on a disk",
			     MANIFEST_BYTES_MAX / 1024);
		return false;
	}
	if (is_blank(text, length))
		return refuse(document, 0, "domain", "the file is empty\nwrite <domain type='skink'> … </domain>; "
			      "/usr/share/skink/manifests has some to begin with");
	return encoding_is_right(document) && find_tags(document);
}

void document_close_text(struct document *document)
{
	for (size_t i = 0; i < document->tag_count; i++)
		free(document->tags[i].name);
	free(document->tags);
}

struct blame document_blame(const struct document *document, const xmlNode *element)
{
	const struct tag *tag = element->_private;

	return (struct blame) { document->file, tag->at, tag->name };
}

/* Is the attribute's full name what stands at offset? */
static bool is_attribute(const struct document *document, size_t offset, size_t end, const xmlAttr *attribute)
{
	const char *prefix = attribute->ns ? (const char *)attribute->ns->prefix : NULL;
	size_t prefix_length = prefix ? strlen(prefix) + 1 : 0;
	size_t name_length = strlen((const char *)attribute->name);

	if (end - offset != prefix_length + name_length)
		return false;
	if (prefix && (!starts(document, offset, prefix) || document->text[offset + prefix_length - 1] != ':'))
		return false;
	return starts(document, offset + prefix_length, (const char *)attribute->name);
}

struct blame document_blame_attribute(const struct document *document, const xmlAttr *attribute)
{
	const struct tag *tag = attribute->parent->_private;
	struct blame blame = document_blame(document, attribute->parent);
	size_t offset = behind_name(document, tag->offset + 1);

	while (offset < document->length && document->text[offset] != '>') {
		char c = document->text[offset];
		size_t end = behind_name(document, offset);

		if (c == '"' || c == '\'') {
			offset = behind(document, offset + 1, c == '"' ? "\"" : "'");
		} else if (end == offset) {
			offset++;
		} else if (is_attribute(document, offset, end, attribute)) {
			blame.at = position_from(document, tag->offset, tag->at, offset);
			break;
		} else {
			offset = end;
		}
	}
	return blame;
}
