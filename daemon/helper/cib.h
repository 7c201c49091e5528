/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cib.h: what cotdb reads out of Pacemaker's configuration (CIB), and what it thinks of it.
 *
 * A CIB comes as text, as a file or as the tree that libcib hands out; it is read once into plain
 * structs (struct cib). cib_check() compares them with corosync's facts and with the daemon's
 * options, rule by rule (cib_rules.def); the Pacemaker helper turns the findings into the verdict
 * of this node (cib_verdict), `cotdb check` prints them.
 *
 * Text is not trusted: size limit, no DTD (so no entities), no network, libxml2's own depth limit.
 */
#ifndef COTDB_CIB_H
#define COTDB_CIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "daemon/options.h"
#include "lib/reason.h"

#define CIB_MAX_BYTES (16U << 20)
#define CIB_TEXT_SIZE 512 /* a sentence with names in it */
#define CIB_MAX_NODES 1024
#define CIB_NAME_SIZE 256

struct _xmlNode;
struct _xmlDoc;

/* ---- what is in it: strings lent until cib_free(), NULL when absent ------------------------- */

struct cib_node {
	const char *id, *name;
	bool is_remote; /* Pacemaker Remote: no corosync there, ids are names */
};

struct cib_pair {
	const char *name, *value;
};

struct cib_op {
	const char *name, *interval, *timeout, *on_fail, *role;
	bool is_enabled;
};

/* A primitive (with its template's values merged in behind its own) */
struct cib_primitive {
	const char *id, *cls, *provider, *type;
	const char *clone_id;			    /* the clone it is in, directly or in a group */
	bool is_in_group, is_in_bundle, is_stopped; /* target-role=Stopped */
	struct cib_pair *params, *meta, *clone_meta; /* meta: its group's behind its own */
	struct cib_op *ops;
	size_t n_params, n_meta, n_clone_meta, n_ops;
	struct _xmlNode *xml; /* of the outermost of group and clone, or of the primitive itself */
};

struct cib {
	struct _xmlDoc *doc;
	struct cib_node *nodes;
	struct cib_pair *properties; /* cluster options, the one that counts first */
	struct cib_pair *op_defaults, *rsc_defaults; /* those without a rule */
	struct cib_primitive *primitives;
	size_t n_nodes, n_properties, n_op_defaults, n_rsc_defaults, n_primitives;
};

/* Takes nothing; *cib is the caller's until cib_free(). 0; -EBADMSG: not XML, a DTD in it, or no
 * CIB; -EFBIG: above CIB_MAX_BYTES; -ENOMEM; for the file also -errno. error gets the sentence. */
int cib_of_text(const char *text, size_t len, struct cib **cib, char *error, size_t error_size);
int cib_of_file(const char *path, struct cib **cib, char *error,
		size_t error_size); /* "-": stdin */
/* The tree (<cib> or <configuration>) is borrowed until return */
int cib_of_tree(const struct _xmlNode *tree, struct cib **cib, char *error, size_t error_size);
void cib_free(struct cib *cib);

/* A cluster option's value, or NULL when it is not set */
const char *cib_property(const struct cib *cib, const char *name);
const char *cib_pair_value(const struct cib_pair *pairs, size_t n, const char *name);
/* Pacemaker's spellings of true and false; dflt for anything else and for NULL */
bool cib_is_true(const char *value, bool dflt);
/* Pacemaker's spellings of a time ("20", "20s", "500ms", "2min", "1h") in milliseconds; dflt_ms for
 * NULL and for what is none */
uint64_t cib_time_ms(const char *value, uint64_t dflt_ms);
bool cib_is_fencing_enabled(const struct cib *cib);
/* A fencing device that is not stopped, or fencing by watchdog */
bool cib_has_fencing_device(const struct cib *cib);
/* "off" or "reboot" */
const char *cib_fence_action(const struct cib *cib);
uint64_t cib_fence_timeout_ms(const struct cib *cib);
bool cib_is_cotdb(const struct cib_primitive *p);

/* ---- what is wrong with it ------------------------------------------------------------------- */

enum cib_severity { CIB_INFO, CIB_WARNING, CIB_ERROR };

enum cib_rule {
#define CIB_RULE(id, name, severity, reason, sentence, cure) CIB_RULE_##id,
#include "cib_rules.def"
#undef CIB_RULE
	CIB_RULE_COUNT
};

struct cib_rule_row {
	const char *name; /* "node-id": stable, for scripts */
	enum cib_severity severity;
	enum reason reason;   /* REASON_NONE: never keeps a node out */
	const char *sentence; /* without full stop; what is special about a case goes behind it */
	const char *cure;
};
const struct cib_rule_row *cib_rule_row(enum cib_rule rule);
const char *cib_severity_name(enum cib_severity severity);

/* Corosync's side, from cmap (cib_corosync.h) or from the engine */
struct cib_member {
	uint32_t nodeid;
	char name[CIB_NAME_SIZE]; /* "" when the nodelist has none: ids alone are compared */
};

struct cib_corosync {
	bool is_known;	     /* false: rules about corosync are skipped */
	uint32_t own_nodeid; /* 0: not known */
	bool is_two_node, has_auto_tie_breaker;
	bool is_crypto_off;
	struct cib_member *members;
	size_t n_members;
};

struct cib_finding {
	enum cib_rule rule;
	enum cib_severity severity; /* the rule's, or milder where allow_unfenced=true accepts it */
	uint32_t nodeid;	    /* whom it is about, 0: the cluster */
	char text[CIB_TEXT_SIZE];   /* sentence and particulars */
};

struct cib_findings {
	struct cib_finding *list;
	size_t n;
	bool is_out_of_memory; /* incomplete */
};

/* Checks the whole CIB. options: the running daemon's; NULL: those that the CIB gives it. Adds to
 * *f, which starts zeroed and is the caller's until cib_findings_free(). */
void cib_check(const struct cib *cib, const struct cib_corosync *corosync,
	       const struct options *options, struct cib_findings *f);
void cib_findings_add(struct cib_findings *f, enum cib_rule rule, uint32_t nodeid, const char *fmt,
		      ...) __attribute__((format(printf, 4, 5)));
void cib_findings_free(struct cib_findings *f);
/* Whether this node may be admitted: REASON_NONE or the first finding's reason that is about the
 * cluster or about this node (own_nodeid). text gets the finding's. A missing entry is no proof. */
enum reason cib_verdict(const struct cib_findings *f, uint32_t own_nodeid, char *text,
			size_t text_size);

/* The shape of each cotdb primitive and clone against the RELAX NG schema in that file; adds
 * CIB_RULE_SCHEMA findings. 0 or -errno (the schema itself cannot be read). */
int cib_schema_check(const struct cib *cib, const char *schema_path, struct cib_findings *f);

#endif
