/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cib_check.c: the rules of cib_rules.def, applied.
 *
 * Three groups: nodes (corosync's nodelist against the CIB's nodes), fencing, and the resource that
 * runs the daemon. A contradiction between two entries is an error of the node it is about; an
 * entry that is not there yet proves nothing: Pacemaker writes it when it first runs on a node.
 */
#include "config.h"
#include "cib.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_NODEID	   1024U
#define DEFAULT_TIMEOUT_MS 20000U /* of an operation, Pacemaker's */
#define START_MARGIN_MS	   10000U /* processes, corosync, TDB files; the agent's own 3 s */
#define STOP_MARGIN_MS	   5000U

struct check {
	const struct cib *cib;
	const struct cib_corosync *corosync;
	const struct options *options;
	struct cib_findings *f;
};

static const char *shown(const char *text)
{
	return text != NULL ? text : "(none)";
}

/* ---- nodes ------------------------------------------------------------------------------------
 */

static void check_member(const struct check *c, const struct cib_member *m)
{
	bool is_found = false;
	char id[16];

	(void)snprintf(id, sizeof(id), "%u", m->nodeid);
	if (m->nodeid > MAX_NODEID)
		cib_findings_add(c->f, CIB_RULE_NODEID_TOO_HIGH, m->nodeid, "node %s has id %s",
				 m->name, id);
	if (m->name[0] == '\0')
		cib_findings_add(c->f, CIB_RULE_NODE_NO_NAME, m->nodeid, "nodeid %s", id);
	for (size_t i = 0; i < c->cib->n_nodes; i++) {
		const struct cib_node *n = &c->cib->nodes[i];
		bool is_same_id = !n->is_remote && n->id != NULL && strcmp(n->id, id) == 0;
		bool is_same_name =
		    m->name[0] != '\0' && n->name != NULL && strcasecmp(n->name, m->name) == 0;

		is_found = is_found || is_same_id;
		if (is_same_name && n->is_remote)
			cib_findings_add(c->f, CIB_RULE_NODE_REMOTE, m->nodeid, "%s", m->name);
		else if (is_same_id && !is_same_name && m->name[0] != '\0')
			cib_findings_add(c->f, CIB_RULE_NODE_NAME, m->nodeid,
					 "nodeid %s is %s in corosync and %s in the CIB", id,
					 m->name, shown(n->name));
		else if (is_same_name && !is_same_id)
			cib_findings_add(c->f, CIB_RULE_NODE_ID, m->nodeid,
					 "%s has id %s in corosync and %s in the CIB", m->name, id,
					 shown(n->id));
	}
	if (!is_found)
		cib_findings_add(c->f, CIB_RULE_NODE_MISSING, m->nodeid, "%s (id %s)",
				 m->name[0] != '\0' ? m->name : "node", id);
}

static void check_nodes(const struct check *c)
{
	const char *policy = cib_property(c->cib, "no-quorum-policy");

	if (policy != NULL && strcasecmp(policy, "ignore") == 0)
		cib_findings_add(c->f, CIB_RULE_NO_QUORUM_IGNORE, 0, "%s", "");
	if (!c->corosync->is_known)
		return;
	for (size_t i = 0; i < c->corosync->n_members; i++)
		check_member(c, &c->corosync->members[i]);
	if (c->corosync->is_crypto_off)
		cib_findings_add(c->f, CIB_RULE_CRYPTO_OFF, 0, "%s", "");
}

/* ---- fencing -----------------------------------------------------------------------------------
 */

/* What allow_unfenced=true accepts is a warning */
static void fencing_finding(const struct check *c, enum cib_rule rule, bool is_accepted)
{
	size_t before = c->f->n;

	cib_findings_add(c->f, rule, 0, "%s", "");
	if (is_accepted && c->f->n > before)
		c->f->list[before].severity = CIB_WARNING;
}

/* The longest that Pacemaker waits on purpose before it fences: with fence_grace below, both act */
static uint64_t fencing_delay_ms(const struct cib *cib)
{
	uint64_t delay_ms = cib_time_ms(cib_property(cib, "priority-fencing-delay"), 0),
		 device_ms = 0;

	for (size_t i = 0; i < cib->n_primitives; i++) {
		const struct cib_primitive *p = &cib->primitives[i];
		uint64_t base_ms, max_ms;

		if (p->cls == NULL || strcmp(p->cls, "stonith") != 0)
			continue;
		base_ms = cib_time_ms(cib_pair_value(p->params, p->n_params, "pcmk_delay_base"), 0);
		max_ms = cib_time_ms(cib_pair_value(p->params, p->n_params, "pcmk_delay_max"), 0);
		if (base_ms > max_ms)
			max_ms = base_ms;
		if (max_ms > device_ms)
			device_ms = max_ms;
	}
	return delay_ms + device_ms;
}

static void check_fencing(const struct check *c)
{
	bool is_unfenced = c->options->number[OPTION_allow_unfenced] != 0;
	bool is_tie = c->corosync->is_known &&
		      (c->corosync->is_two_node || c->corosync->has_auto_tie_breaker);
	uint64_t grace_ms = c->options->number[OPTION_fence_grace],
		 delay_ms = fencing_delay_ms(c->cib);

	if (is_unfenced && is_tie)
		cib_findings_add(c->f, CIB_RULE_UNFENCED_TWO_NODE, 0, "%s",
				 c->corosync->is_two_node ? "quorum.two_node is set"
							  : "quorum.auto_tie_breaker is set");
	if (!cib_is_fencing_enabled(c->cib))
		fencing_finding(c, CIB_RULE_FENCING_DISABLED, is_unfenced && !is_tie);
	else if (!cib_has_fencing_device(c->cib))
		fencing_finding(c, CIB_RULE_NO_FENCING_DEVICE, is_unfenced && !is_tie);
	if (is_unfenced)
		cib_findings_add(c->f, CIB_RULE_UNFENCED, 0, "%s", "");
	if (grace_ms <= delay_ms)
		cib_findings_add(c->f, CIB_RULE_FENCE_GRACE, 0,
				 "fence_grace is %" PRIu64 " ms, the delays are up to %" PRIu64
				 " ms",
				 grace_ms, delay_ms);
}

/* ---- the resource -------------------------------------------------------------------------------
 */

static void check_clone(const struct check *c, const struct cib_primitive *p)
{
#define META(name) cib_pair_value(p->clone_meta, p->n_clone_meta, name)
	const char *node_max;

	if (p->is_in_bundle) {
		cib_findings_add(c->f, CIB_RULE_IN_BUNDLE, 0, "%s", shown(p->id));
		return;
	}
	if (p->clone_id == NULL) {
		cib_findings_add(c->f, CIB_RULE_NOT_CLONED, 0, "%s", shown(p->id));
		return;
	}
	node_max = META("clone-node-max");
	if (cib_is_true(META("globally-unique"), false))
		cib_findings_add(c->f, CIB_RULE_GLOBALLY_UNIQUE, 0, "%s", p->clone_id);
	if (node_max != NULL && strtol(node_max, NULL, 10) > 1)
		cib_findings_add(c->f, CIB_RULE_CLONE_NODE_MAX, 0, "%s has clone-node-max=%s",
				 p->clone_id, node_max);
	if (cib_is_true(META("promotable"), false))
		cib_findings_add(c->f, CIB_RULE_PROMOTABLE, 0, "%s", p->clone_id);
	if (!cib_is_true(META("interleave"), false))
		cib_findings_add(c->f, CIB_RULE_NOT_INTERLEAVED, 0, "%s", p->clone_id);
	if (cib_is_true(META("notify"), false))
		cib_findings_add(c->f, CIB_RULE_NOTIFY, 0, "%s", p->clone_id);
#undef META
}

static const struct cib_op *op_of(const struct cib_primitive *p, const char *name)
{
	for (size_t i = 0; i < p->n_ops; i++) {
		const struct cib_op *op = &p->ops[i];

		if (op->name != NULL && strcmp(op->name, name) == 0)
			return op;
	}
	return NULL;
}

static void check_monitors(const struct check *c, const struct cib_primitive *p)
{
	bool has_monitor = false;

	for (size_t i = 0; i < p->n_ops; i++) {
		const struct cib_op *op = &p->ops[i];

		if (op->name == NULL || strcmp(op->name, "monitor") != 0 || !op->is_enabled ||
		    cib_time_ms(op->interval, 0) == 0 ||
		    (op->role != NULL && strcasecmp(op->role, "Stopped") == 0))
			continue;
		has_monitor = true;
		if (op->on_fail == NULL || strcasecmp(op->on_fail, "fence") != 0)
			cib_findings_add(c->f, CIB_RULE_MONITOR_ON_FAIL, 0,
					 "%s, monitor every %s: on-fail is %s", shown(p->id),
					 op->interval,
					 op->on_fail != NULL ? op->on_fail : "restart");
	}
	if (!has_monitor)
		cib_findings_add(c->f, CIB_RULE_NO_MONITOR, 0, "%s", shown(p->id));
}

static void check_timeout(const struct check *c, const struct cib_primitive *p, const char *name,
			  enum cib_rule rule, uint64_t needed_ms)
{
	const struct cib_op *op = op_of(p, name);
	uint64_t dflt_ms =
	    cib_time_ms(cib_pair_value(c->cib->op_defaults, c->cib->n_op_defaults, "timeout"),
			DEFAULT_TIMEOUT_MS);
	uint64_t has_ms = cib_time_ms(op != NULL ? op->timeout : NULL, dflt_ms);

	if (has_ms < needed_ms)
		cib_findings_add(c->f, rule, 0, "%s has %" PRIu64 " s, %" PRIu64 " s are advised",
				 shown(p->id), has_ms / 1000, (needed_ms + 999) / 1000);
}

static void check_start_retry(const struct check *c, const struct cib_primitive *p)
{
	static const char name[] = "failure-timeout";

	if (cib_pair_value(p->meta, p->n_meta, name) == NULL &&
	    cib_pair_value(p->clone_meta, p->n_clone_meta, name) == NULL &&
	    cib_pair_value(c->cib->rsc_defaults, c->cib->n_rsc_defaults, name) == NULL &&
	    cib_is_true(cib_property(c->cib, "start-failure-is-fatal"), true))
		cib_findings_add(c->f, CIB_RULE_START_RETRY, 0, "%s", shown(p->id));
}

static void check_operations(const struct check *c, const struct cib_primitive *p)
{
	const uint64_t *ms = c->options->number;
	const struct cib_op *stop = op_of(p, "stop");

	check_monitors(c, p);
	check_start_retry(c, p);
	if (stop != NULL && stop->on_fail != NULL && strcasecmp(stop->on_fail, "fence") != 0)
		cib_findings_add(c->f, CIB_RULE_STOP_ON_FAIL, 0, "%s has on-fail=%s on stop",
				 shown(p->id), stop->on_fail);
	/* Files left from before are retired (twice the time-out when holders are killed), members
	 * tell their state, the lock is tried and confirmed */
	check_timeout(c, p, "start", CIB_RULE_START_TIMEOUT,
		      2 * ms[OPTION_retire_timeout] + ms[OPTION_state_timeout] +
			  2 * ms[OPTION_lock_timeout] + START_MARGIN_MS);
	check_timeout(c, p, "stop", CIB_RULE_STOP_TIMEOUT,
		      ms[OPTION_drain_timeout] + ms[OPTION_stop_timeout] +
			  2 * ms[OPTION_retire_timeout] + STOP_MARGIN_MS);
}

/* The options that the resource's parameters make; each that is not valid is a finding */
static void resource_options(const struct check *c, const struct cib_primitive *p,
			     struct options *options)
{
	char arg[8192], error[CIB_TEXT_SIZE];

	for (size_t i = 0; i < p->n_params; i++) {
		const struct cib_pair *pair = &p->params[i];
		int n;

		/* Of several sets the first counts */
		if (cib_pair_value(p->params, i, pair->name) != NULL)
			continue;
		n = snprintf(arg, sizeof(arg), "--%s=%s", pair->name,
			     pair->value != NULL ? pair->value : "");
		error[0] = '\0';
		if (n < 0 || (size_t)n >= sizeof(arg))
			(void)snprintf(error, sizeof(error), "%s is too long", pair->name);
		else if (options_parse(options, arg, error, sizeof(error)) == 0)
			continue;
		cib_findings_add(c->f, CIB_RULE_BAD_PARAMETER, 0, "%s: %s", shown(p->id), error);
	}
}

static void check_resource(const struct check *c, const struct cib_primitive *p)
{
	const char *lock = cib_pair_value(p->params, p->n_params, "recovery_lock");

	check_clone(c, p);
	check_operations(c, p);
	if (lock == NULL || lock[0] == '\0')
		cib_findings_add(c->f, CIB_RULE_NO_RECOVERY_LOCK, 0, "%s", shown(p->id));
}

void cib_check(const struct cib *cib, const struct cib_corosync *corosync,
	       const struct options *options, struct cib_findings *f)
{
	struct check c = { cib, corosync, options, f };
	const struct cib_primitive *first = NULL;
	struct options own;
	size_t n = 0;

	for (size_t i = 0; i < cib->n_primitives; i++) {
		if (!cib_is_cotdb(&cib->primitives[i]))
			continue;
		if (n++ == 0)
			first = &cib->primitives[i];
	}
	if (first == NULL)
		cib_findings_add(f, CIB_RULE_NO_RESOURCE, 0, "%s", "");
	if (n > 1)
		cib_findings_add(f, CIB_RULE_SEVERAL_RESOURCES, 0, "%zu resources", n);
	options_init(&own);
	if (first != NULL)
		resource_options(&c, first, &own);
	if (options == NULL)
		c.options = &own;
	check_nodes(&c);
	check_fencing(&c);
	for (size_t i = 0; i < cib->n_primitives; i++) {
		if (cib_is_cotdb(&cib->primitives[i]))
			check_resource(&c, &cib->primitives[i]);
	}
}
