/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file
 * The subcommands. Each reads its arguments (without "kcl" and its own name) and
 * returns the exit code, having told what failed in one line on standard error.
 */
#ifndef KCL_CLI_COMMANDS_H
#define KCL_CLI_COMMANDS_H

int kcl_cmd_consume(int argc, char *const *argv);
int kcl_cmd_status(int argc, char *const *argv);
int kcl_cmd_stream(int argc, char *const *argv);
int kcl_cmd_put(int argc, char *const *argv);
int kcl_cmd_init(int argc, char *const *argv);
int kcl_cmd_config(int argc, char *const *argv);

#endif /* KCL_CLI_COMMANDS_H */
