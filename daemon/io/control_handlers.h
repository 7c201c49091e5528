/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control_handlers.h: the handlers of controls; control_table.c says which opcode is whose */
#ifndef COTDB_CONTROL_HANDLERS_H
#define COTDB_CONTROL_HANDLERS_H

#include "control.h"

#define HANDLER(name) int32_t name(struct control_request *r, struct control_answer *a);
/* control_node.c */
HANDLER(control_ping)
HANDLER(control_get_pid)
HANDLER(control_get_pnn)
HANDLER(control_get_recmode)
HANDLER(control_get_runstate)
HANDLER(control_get_capabilities)
HANDLER(control_get_vnnmap)
HANDLER(control_get_nodemap)
HANDLER(control_get_nodes_file)
HANDLER(control_uptime)
HANDLER(control_get_reclock_file)
HANDLER(control_get_debug)
HANDLER(control_set_debug)
HANDLER(control_get_tunable)
HANDLER(control_set_tunable)
HANDLER(control_list_tunables)
HANDLER(control_get_all_tunables)
HANDLER(control_statistics)
HANDLER(control_statistics_reset)
HANDLER(control_get_stat_history)
HANDLER(control_dump_memory)
HANDLER(control_echo)
HANDLER(control_status)
HANDLER(control_drain)
HANDLER(control_empty_list)
HANDLER(control_not_public)
HANDLER(control_no_tickles)
HANDLER(control_pacemaker_stops)
HANDLER(control_pacemaker_decides)
/* control_client.c */
HANDLER(control_register_srvid)
HANDLER(control_deregister_srvid)
HANDLER(control_register_notify)
HANDLER(control_deregister_notify)
HANDLER(control_process_exists)
HANDLER(control_check_pid_srvid)
/* control_db.c */
HANDLER(control_get_dbmap)
HANDLER(control_get_dbname)
HANDLER(control_get_dbpath)
HANDLER(control_db_open_flags)
HANDLER(control_db_get_health)
HANDLER(control_schedule_for_deletion)
HANDLER(control_set_db_readonly)
HANDLER(control_set_db_sticky)
HANDLER(control_get_db_seqnum)
HANDLER(control_get_db_statistics)
/* control_seqnum.c */
HANDLER(control_enable_seqnum)
HANDLER(control_update_seqnum)
/* control_traverse.c */
HANDLER(control_traverse_start)
HANDLER(control_traverse_start_ext)
/* control_attach.c */
HANDLER(control_attach)
/* control_tcp.c */
HANDLER(control_tcp_client)
HANDLER(control_tcp_client_gone)
/* control_refused.c */
HANDLER(control_no_addresses)
HANDLER(control_no_roles)
HANDLER(control_reload_nodes)
HANDLER(control_set_recmode)
HANDLER(control_push_record)
/* control_restore.c */
HANDLER(control_db_freeze)
HANDLER(control_db_thaw)
HANDLER(control_db_transaction_start)
HANDLER(control_db_transaction_commit)
HANDLER(control_wipe_database)
HANDLER(control_db_push_start)
HANDLER(control_db_push_confirm)
HANDLER(control_db_set_healthy)
/* control_detach.c */
HANDLER(control_db_detach)
/* control_commit.c */
HANDLER(control_trans3_commit)
#undef HANDLER

#endif
