/* SPDX-License-Identifier: Apache-2.0 */
#include "kcl/aws/endpoint.h"

#include <stdio.h>
#include <string.h>

#include "kcl/base/error.h"

/*
 * Which regions belong to which partition. `shape` is a list of beginnings; what
 * follows is "-word-digits" (AWS endpoint rules, partitions 2026). The longer
 * beginnings of the closed partitions cannot match the one of "aws": there only
 * one word stands between the dashes.
 */
static const struct {
    const char *beginnings;
    struct kcl_partition partition;
} partitions[] = {
    {"us eu ap sa ca me af il mx", {"aws", "amazonaws.com", "api.aws"}},
    {"cn", {"aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn"}},
    {"eusc-de", {"aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu"}},
    {"us-iso", {"aws-iso", "c2s.ic.gov", "api.aws.ic.gov"}},
    {"us-isob", {"aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud"}},
    {"eu-isoe", {"aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"}},
    {"us-isof", {"aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov"}},
    {"us-gov", {"aws-us-gov", "amazonaws.com", "api.aws"}},
};

/* Whether `region` is the beginning, a dash, a word, a dash and digits. */
static bool has_shape(const char *region, const char *beginning, size_t size)
{
    if (strncmp(region, beginning, size) != 0 || region[size] != '-')
        return false;
    const char *at = region + size + 1;
    size_t words = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (words == 0 || at[words] != '-')
        return false;
    at += words + 1;
    size_t digits = strspn(at, "0123456789");
    return digits > 0 && at[digits] == '\0';
}

const struct kcl_partition *kcl_partition_of(const char *region)
{
    for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
        const char *at = partitions[i].beginnings;
        while (*at != '\0') {
            size_t size = strcspn(at, " ");
            if (has_shape(region, at, size))
                return &partitions[i].partition;
            at += size + (at[size] == ' ');
        }
    }
    return &partitions[0].partition;
}

/* Takes a URL apart: the host for the header, and the path. */
static kcl_rc use_url(struct kcl_endpoint *out, const char *url, kcl_error *err)
{
    bool https = strncmp(url, "https://", 8) == 0;
    if (strchr(url, '@') != NULL)
        return kcl_error_set(err, KCL_ECONFIG, "endpoint: takes no user name and password");
    if (!https && strncmp(url, "http://", 7) != 0)
        return kcl_error_set(err, KCL_ECONFIG, "endpoint \"%.200s\": must begin with https:// or http://", url);
    const char *host = url + (https ? 8 : 7);
    size_t host_size = strcspn(host, "/");
    const char *path = host + host_size;
    for (const char *c = url; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("?#\\\"<>%", *c) != NULL)
            return kcl_error_set(err, KCL_ECONFIG, "endpoint \"%.200s\": only scheme, host, port and path", url);
    int size = snprintf(out->url, sizeof(out->url), "%s%s", url, *path == '\0' ? "/" : "");
    if (host_size == 0 || host[0] == ':' || size < 0 || (size_t)size >= sizeof(out->url))
        return kcl_error_set(err, KCL_ECONFIG, "endpoint \"%.200s\": has no host, or is too long", url);
    (void)snprintf(out->host, sizeof(out->host), "%.*s", (int)host_size, host);
    (void)snprintf(out->path, sizeof(out->path), "%s", *path == '\0' ? "/" : path);
    const char *usual = https ? ":443" : ":80";
    size_t usual_size = strlen(usual);
    if (host_size > usual_size && strcmp(out->host + host_size - usual_size, usual) == 0)
        out->host[host_size - usual_size] = '\0';
    return KCL_OK;
}

static kcl_rc use_override(struct kcl_endpoint *out, const struct kcl_endpoint_options *o, kcl_error *err)
{
    if (o->fips)
        return kcl_error_set(err, KCL_ECONFIG, "endpoint \"%.200s\": cannot be combined with FIPS endpoints",
                             o->endpoint_url);
    if (o->dual_stack)
        return kcl_error_set(err, KCL_ECONFIG, "endpoint \"%.200s\": cannot be combined with dual-stack endpoints",
                             o->endpoint_url);
    return use_url(out, o->endpoint_url, err);
}

static bool is_iso(const struct kcl_partition *p)
{
    return strcmp(p->id, "aws-iso") == 0 || strcmp(p->id, "aws-iso-b") == 0;
}

static kcl_rc check_arn(const char *arn, const struct kcl_partition *p, enum kcl_endpoint_kind kind,
                        struct kcl_arn *out, kcl_error *err)
{
    kcl_rc rc = kcl_arn_parse(arn, out, err);
    if (rc != KCL_OK)
        return rc;
    if (strcmp(out->partition, p->id) != 0)
        return kcl_error_set(err, KCL_EINVAL, "\"%.200s\" is of partition %s, the region of partition %s", arn,
                             out->partition, p->id);
    if (kind == KCL_ENDPOINT_PLAIN)
        return kcl_error_set(err, KCL_EINVAL, "an operation that takes no ARN was given \"%.200s\"", arn);
    return KCL_OK;
}

kcl_rc kcl_endpoint_find(struct kcl_endpoint *out, const struct kcl_endpoint_options *o, enum kcl_endpoint_kind kind,
                         const char *arn, kcl_error *err)
{
    if (o->endpoint_url != NULL && o->endpoint_url[0] != '\0')
        return use_override(out, o, err);
    if (o->region == NULL || o->region[0] == '\0')
        return kcl_error_set(err, KCL_EREGION, "the region is missing: set it, or AWS_REGION");
    if (!kcl_label_valid(o->region))
        return kcl_error_set(err, KCL_EREGION, "region \"%.100s\": not the name of a region", o->region);
    const struct kcl_partition *p = kcl_partition_of(o->region);
    const char *suffix = o->dual_stack ? p->dual_stack_suffix : p->suffix;
    char url[KCL_URL_SIZE];
    struct kcl_arn parsed;
    if (arn != NULL && !is_iso(p)) {
        kcl_rc rc = check_arn(arn, p, kind, &parsed, err);
        if (rc != KCL_OK)
            return rc;
    }
    if (arn != NULL && !is_iso(p) && !o->plain_hosts)
        (void)snprintf(url, sizeof(url), "https://%s.%s-kinesis%s.%s.%s", parsed.account,
                       kind == KCL_ENDPOINT_DATA ? "data" : "control", o->fips ? "-fips" : "", o->region, suffix);
    else if (o->fips && !o->dual_stack && strcmp(p->id, "aws-us-gov") == 0) /* its plain host is FIPS */
        (void)snprintf(url, sizeof(url), "https://kinesis.%s.%s", o->region, suffix);
    else
        (void)snprintf(url, sizeof(url), "https://kinesis%s.%s.%s", o->fips ? "-fips" : "", o->region, suffix);
    return use_url(out, url, err);
}
