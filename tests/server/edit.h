/* SPDX-License-Identifier: Apache-2.0 */
/* Changing the text of an answer that is a JSON object. The members left alone keep
 * their bytes. A body that is no object stays as it is. */
#ifndef KCL_LOCAL_EDIT_H
#define KCL_LOCAL_EDIT_H

#include "faults.h"

/* Takes the members named in the list `remove` away and gives those of the object `set`
 * their values there, null included; either may be NULL. */
void edit_members(struct evbuffer *body, const cJSON *set, const cJSON *remove);

/*   DAMAGE_BYTE    the byte in the middle is gone
 *   DAMAGE_STRING  the text ends inside its last string
 *   DAMAGE_TYPE    each member has a value of another type */
void edit_damage(struct evbuffer *body, enum damage damage);

#endif
