/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_table.c: which handler answers which opcode. What is in lib/control.def and not here is
 * refused with its name.
 */
#include "control_handlers.h"

#define ROW(name, handler) [CTDB_CONTROL_##name] = handler

static const control_handler handlers[] = {
	ROW(PROCESS_EXISTS, control_process_exists),
	ROW(STATISTICS, control_statistics),
	ROW(PING, control_ping),
	ROW(GETDBPATH, control_get_dbpath),
	ROW(GETVNNMAP, control_get_vnnmap),
	ROW(GET_DEBUG, control_get_debug),
	ROW(SET_DEBUG, control_set_debug),
	ROW(GET_DBMAP, control_get_dbmap),
	ROW(GET_RECMODE, control_get_recmode),
	ROW(SET_RECMODE, control_set_recmode),
	ROW(STATISTICS_RESET, control_statistics_reset),
	ROW(DB_ATTACH, control_attach),
	ROW(TRAVERSE_START, control_traverse_start),
	ROW(REGISTER_SRVID, control_register_srvid),
	ROW(DEREGISTER_SRVID, control_deregister_srvid),
	ROW(GET_DBNAME, control_get_dbname),
	ROW(ENABLE_SEQNUM, control_enable_seqnum),
	ROW(UPDATE_SEQNUM, control_update_seqnum),
	ROW(DUMP_MEMORY, control_dump_memory),
	ROW(GET_PID, control_get_pid),
	ROW(GET_PNN, control_get_pnn),
	ROW(SHUTDOWN, control_pacemaker_stops),
	ROW(TCP_CLIENT, control_tcp_client),
	ROW(TCP_REMOVE, control_no_addresses),
	ROW(SET_TUNABLE, control_set_tunable),
	ROW(GET_TUNABLE, control_get_tunable),
	ROW(LIST_TUNABLES, control_list_tunables),
	ROW(GET_ALL_TUNABLES, control_get_all_tunables),
	ROW(GET_TCP_TICKLE_LIST, control_no_tickles),
	ROW(DB_ATTACH_PERSISTENT, control_attach),
	ROW(SEND_GRATUITOUS_ARP, control_no_addresses),
	ROW(WIPE_DATABASE, control_wipe_database),
	ROW(UPTIME, control_uptime),
	ROW(RELOAD_NODES_FILE, control_reload_nodes),
	ROW(ADD_PUBLIC_IP, control_no_addresses),
	ROW(DEL_PUBLIC_IP, control_no_addresses),
	ROW(GET_CAPABILITIES, control_get_capabilities),
	ROW(RELEASE_IP, control_no_addresses),
	ROW(TAKEOVER_IP, control_no_addresses),
	ROW(GET_PUBLIC_IPS, control_empty_list),
	ROW(GET_NODEMAP, control_get_nodemap),
	ROW(GET_RECLOCK_FILE, control_get_reclock_file),
	ROW(STOP_NODE, control_pacemaker_decides),
	ROW(CONTINUE_NODE, control_pacemaker_decides),
	ROW(SET_LMASTERROLE, control_no_roles),
	ROW(SET_RECMASTERROLE, control_no_roles),
	ROW(SET_BAN_STATE, control_pacemaker_decides),
	ROW(REGISTER_NOTIFY, control_register_notify),
	ROW(DEREGISTER_NOTIFY, control_deregister_notify),
	ROW(TRANS3_COMMIT, control_trans3_commit),
	ROW(GET_DB_SEQNUM, control_get_db_seqnum),
	ROW(DB_SET_HEALTHY, control_db_set_healthy),
	ROW(DB_GET_HEALTH, control_db_get_health),
	ROW(GET_PUBLIC_IP_INFO, control_not_public),
	ROW(GET_IFACES, control_empty_list),
	ROW(SET_IFACE_LINK_STATE, control_no_addresses),
	ROW(TCP_ADD_DELAYED_UPDATE, control_no_addresses),
	ROW(GET_STAT_HISTORY, control_get_stat_history),
	ROW(SCHEDULE_FOR_DELETION, control_schedule_for_deletion),
	ROW(SET_DB_READONLY, control_set_db_readonly),
	ROW(SET_DB_STICKY, control_set_db_sticky),
	ROW(GET_DB_STATISTICS, control_get_db_statistics),
	ROW(TRAVERSE_START_EXT, control_traverse_start_ext),
	ROW(RELOAD_PUBLIC_IPS, control_no_addresses),
	ROW(IPREALLOCATED, control_no_addresses),
	ROW(GET_RUNSTATE, control_get_runstate),
	ROW(DB_DETACH, control_db_detach),
	ROW(GET_NODES_FILE, control_get_nodes_file),
	ROW(DB_FREEZE, control_db_freeze),
	ROW(DB_THAW, control_db_thaw),
	ROW(DB_TRANSACTION_START, control_db_transaction_start),
	ROW(DB_TRANSACTION_COMMIT, control_db_transaction_commit),
	ROW(DB_PUSH_START, control_db_push_start),
	ROW(DB_PUSH_CONFIRM, control_db_push_confirm),
	ROW(DB_OPEN_FLAGS, control_db_open_flags),
	ROW(DB_ATTACH_REPLICATED, control_attach),
	ROW(CHECK_PID_SRVID, control_check_pid_srvid),
	ROW(ECHO_DATA, control_echo),
	ROW(DISABLE_NODE, control_pacemaker_decides),
	ROW(ENABLE_NODE, control_pacemaker_decides),
	ROW(TCP_CLIENT_DISCONNECTED, control_tcp_client_gone),
	ROW(TCP_CLIENT_PASSED, control_tcp_client_gone),
	ROW(PUSH_RECORD, control_push_record),
};

control_handler control_handler_of(uint32_t opcode)
{
	if (opcode == COTDB_CONTROL_STATUS)
		return control_status;
	if (opcode == COTDB_CONTROL_DRAIN)
		return control_drain;
	return opcode < sizeof(handlers) / sizeof(handlers[0]) ? handlers[opcode] : NULL;
}
