/* SPDX-License-Identifier: ISC */
/*
 * What a batch of seeds must have seen: C(NAME, text, needed).
 *
 * A counter that is needed and zero after a thousand seeds is a failure: the
 * simulator no longer reaches what it is there to test.
 */
#ifndef SIM_COUNTERS_H
#define SIM_COUNTERS_H

#define COUNTERS(C)                                                                                \
	C(EVENTS, "events", 1)                                                                     \
	C(STEPS, "steps_of_cores", 1)                                                              \
	C(COMMITS, "commits", 1)                                                                   \
	C(ELECTIONS_BEGUN, "elections_begun", 1)                                                   \
	C(ELECTIONS_WON, "elections_won", 1)                                                       \
	C(STEP_DOWNS, "step_downs", 1)                                                             \
	C(MESSAGES, "messages", 1)                                                                 \
	C(MESSAGES_LOST, "messages_lost", 1)                                                       \
	C(MESSAGES_DOUBLED, "messages_doubled", 1)                                                 \
	C(MESSAGES_OVERTOOK, "messages_overtook", 1)                                               \
	C(UNREACHABLES, "unreachables", 1)                                                         \
	C(APPENDS_REFUSED, "appends_refused", 1)                                                   \
	C(VOTES_GRANTED, "votes_granted", 1)                                                       \
	C(VOTES_REFUSED, "votes_refused", 1)                                                       \
	C(PRE_VOTES_REFUSED, "pre_votes_refused", 1)                                               \
	C(TRUNCATIONS, "truncations", 1)                                                           \
	C(OLD_TERM_TAILS, "leaders_with_older_uncommitted", 1)                                     \
	C(WRITES_OVERLAPPING, "writes_overlapping", 1)                                             \
	C(STALE_WRITES, "writes_lost_with_their_elector", 1)                                       \
	C(STALE_STORED, "stored_reports_lost", 1)                                                  \
	C(HALF_DONE, "transactions_done_but_not_reported", 1)                                      \
	C(FETCHES, "fetches", 1)                                                                   \
	C(FETCHES_LATE, "fetches_answered_too_late", 1)                                            \
	C(CRASHES, "crashes", 1)                                                                   \
	C(CRASHES_ALL, "crashes_of_all", 1)                                                        \
	C(ELECTOR_RESTARTS, "elector_restarts", 1)                                                 \
	C(DISK_RESTARTS, "disk_restarts", 1)                                                       \
	C(PEER_RESTARTS, "transport_restarts", 1)                                                  \
	C(PAUSES, "pauses", 1)                                                                     \
	C(FREEZES, "freezes", 1)                                                                   \
	C(CLOCK_RATES, "clock_rates_changed", 1)                                                   \
	C(PARTITIONS, "partitions", 1)                                                             \
	C(ONE_WAYS, "one_way_cuts", 1)                                                             \
	C(FLAPS, "flaps", 1)                                                                       \
	C(STALLS, "disk_stalls", 1)                                                                \
	C(FULLS, "disks_full", 1)                                                                  \
	C(TAILS_LOST, "tails_lost_mark_valid", 1)                                                  \
	C(TAILS_LOST_NO_MARK, "tails_lost_mark_missing", 1)                                        \
	C(WIPES, "disks_wiped", 1)                                                                 \
	C(PLOTS, "amnesia_plots", 1)                                                               \
	C(DAMAGES, "entries_damaged", 1)                                                           \
	C(RECOVERIES_CLEARED, "recoveries_cleared", 1)                                             \
	C(RECOVERIES_CLEARED_NO_MARK, "recoveries_cleared_without_mark", 1)                        \
	C(QUORUMS_LOST, "voters_removed_while_others_forgot", 0)                                   \
	C(VOTE_PLOTS, "late_vote_plots", 1)                                                        \
	C(VOTES_TWICE, "forgotten_votes_given_again", 1)                                           \
	C(VOTES_FORGOTTEN, "votes_forgotten", 1)                                                   \
	C(ACKNOWLEDGED, "serials_acknowledged", 1)                                                 \
	C(DUPLICATES_ANSWERED, "duplicates_answered", 1)                                           \
	C(DUPLICATES_NO_INDEX, "duplicates_answered_without_index", 1)                             \
	C(REFUSED, "attempts_refused", 1)                                                          \
	C(REFUSED_GAP, "refused_gap", 1)                                                           \
	C(REFUSED_EXPIRED, "refused_expired", 1)                                                   \
	C(REFUSED_OLD_EPOCH, "refused_old_epoch", 1)                                               \
	C(REFUSED_FENCED, "refused_fenced", 1)                                                     \
	C(REFUSED_BUSY, "refused_busy", 1)                                                         \
	C(REFUSED_AHEAD, "refused_ahead", 0)                                                       \
	C(REFUSED_TOO_LARGE, "refused_too_large", 1)                                               \
	C(REFUSED_LEVEL, "refused_level", 1)                                                       \
	C(REFUSED_CONTRACT, "refused_contract", 1)                                                 \
	C(REFUSED_CONTRACT_CHANGED, "refused_contract_changed", 1)                                 \
	C(REFUSED_CURSOR_AHEAD, "refused_cursor_ahead", 1)                                         \
	C(REFUSED_BEHIND, "refused_behind", 1)                                                     \
	C(UNKNOWN, "attempts_unknown", 1)                                                          \
	C(FORWARDED, "forwarded_committed", 1)                                                     \
	C(BARRIERS, "barriers_committed", 1)                                                       \
	C(GRANTS, "grants_given", 1)                                                               \
	C(OPENS, "named_sessions_opened", 1)                                                       \
	C(TAKEOVERS, "named_sessions_taken_over", 1)                                               \
	C(DROPS, "named_sessions_dropped", 1)                                                      \
	C(CURSORS_OPENED, "cursors_opened", 1)                                                     \
	C(CURSORS_TAKEN_OVER, "cursors_taken_over", 1)                                             \
	C(CURSORS_LOCATED, "cursors_located", 1)                                                   \
	C(CURSORS_SET_BACK, "cursors_set_back", 1)                                                 \
	C(ACKS, "acks_committed", 1)                                                               \
	C(ACKS_AGAIN, "acks_answered_again", 1)                                                    \
	C(READS_OK, "reads_confirmed", 1)                                                          \
	C(READS_FAILED, "reads_refused", 1)                                                        \
	C(CONFIGS, "configurations_committed", 1)                                                  \
	C(ADDS, "members_added", 1)                                                                \
	C(PROMOTIONS, "members_promoted", 1)                                                       \
	C(DEMOTIONS, "members_demoted", 1)                                                         \
	C(REMOVALS, "members_removed", 1)                                                          \
	C(LEADER_REMOVALS, "leaders_that_left", 1)                                                 \
	C(ADDRESS_CHANGES, "addresses_changed", 1)                                                 \
	C(KEY_CHANGES, "keys_changed", 1)                                                          \
	C(CHANGES_REFUSED, "changes_refused", 1)                                                   \
	C(CONFIGS_CUT, "configurations_rolled_back", 1)                                            \
	C(CONTRACTS, "contracts_committed", 1)                                                     \
	C(CONTRACTS_CUT, "contracts_truncated", 1)                                                 \
	C(UPGRADES, "programs_upgraded", 1)                                                        \
	C(LEVELS_RAISED, "levels_raised", 1)                                                       \
	C(STAMPS, "entries_stamped", 1)                                                            \
	C(CLOCKS_LIMITED, "stamps_limited_by_a_majority", 1)                                       \
	C(UIDS_UNKNOWN, "stamps_without_a_uid", 1)                                                 \
	C(TRANSFERS, "transfers_asked", 1)                                                         \
	C(TRANSFERS_DONE, "transfers_done", 1)                                                     \
	C(TRANSFERS_REFUSED, "transfers_refused", 1)                                               \
	C(COMPACTIONS, "compactions", 1)                                                           \
	C(COMPACTIONS_ALL, "compactions_without_a_tail", 1)                                        \
	C(FETCHES_GONE, "fetches_below_the_beginning", 0)                                          \
	C(SNAPSHOTS, "snapshots_sent", 1)                                                          \
	C(SNAPSHOTS_BROKEN, "snapshots_broken_off", 1)                                             \
	C(SNAPSHOTS_RESUMED, "snapshots_resumed", 1)                                               \
	C(SNAPSHOTS_DAMAGED, "snapshots_damaged", 1)                                               \
	C(SNAPSHOTS_OUTDATED, "snapshots_overtaken_by_compaction", 1)                              \
	C(SNAPSHOTS_READY, "snapshots_arrived", 1)                                                 \
	C(SNAPSHOTS_UNUSED, "snapshots_not_installed", 1)                                          \
	C(INSTALLS, "snapshots_installed", 1)                                                      \
	C(INSTALLS_LOST, "installations_lost_in_a_crash", 1)                                       \
	C(STARTS_FROM_SNAPSHOT, "starts_from_a_snapshot", 1)                                       \
	C(TABLES_COMPARED, "session_tables_compared", 1)                                           \
	C(DROPPED, "messages_that_made_no_sense", 0)                                               \
	C(CONVERGED, "clusters_converged", 1)
enum counter {
#define C(NAME, text, needed) COUNT_##NAME,
	COUNTERS(C)
#undef C
	    COUNTERS_COUNT
};

#endif
