// What there is, what a configuration builds, and what files hold. Texts are JSON unless they say otherwise.
#ifndef MODNAS_FILES_HPP
#define MODNAS_FILES_HPP

#include "base.hpp"

namespace modnas {

inline std::string components(const context &c, const std::string &kind = "") {
    return detail::text(*c.state(), [&](char **out) { return modnas_list_json(c.get(), detail::c_str(kind), out); });
}
inline std::string devices(const context &c) {
    return detail::text(*c.state(), [&](char **out) { return modnas_devices_json(c.get(), out); });
}
inline std::string raw_yaml(const context &c, const std::string &path) { // documents as lines
    return detail::text(*c.state(), [&](char **out) { return modnas_config_raw_file(c.get(), path.c_str(), out); });
}
inline std::string describe(const config &cfg, const modnas_describe_opts *opts = nullptr) {
    return detail::text(*cfg.state(), [&](char **out) { return modnas_describe(cfg.get(), opts, out); });
}
inline std::string describe_dot(const config &cfg, const modnas_describe_opts *opts = nullptr) { // Graphviz
    return detail::text(*cfg.state(), [&](char **out) { return modnas_describe_dot(cfg.get(), opts, out); });
}
inline std::string profile(const config &cfg, const modnas_profile_opts *opts = nullptr) { // a table
    return detail::text(*cfg.state(), [&](char **out) { return modnas_profile(cfg.get(), opts, out); });
}
inline std::pair<std::string, std::string> profile_check(const config &cfg, int32_t n_nets, const modnas_profile_opts *opts = nullptr) {
    char *table = nullptr, *summary = nullptr;
    detail::check(*cfg.state(), modnas_profile_check(cfg.get(), opts, n_nets, &table, &summary));
    std::string first = detail::take(*cfg.state(), table);
    return {std::move(first), detail::take(*cfg.state(), summary)};
}
inline std::string export_net(const config &cfg, const std::string &path, const modnas_export_opts *opts = nullptr) { // lines
    return detail::text(*cfg.state(), [&](char **out) { return modnas_export(cfg.get(), opts, path.c_str(), out); });
}
inline std::string inspect(const context &c, const std::string &path, bool *valid = nullptr, const modnas_inspect_opts *opts = nullptr) {
    int32_t good = 0;
    std::string json = detail::text(*c.state(), [&](char **out) { return modnas_inspect_json(c.get(), path.c_str(), opts, out, &good); });
    if (valid) *valid = good != 0;
    return json;
}
inline std::string report(const context &c, const std::string &folder, const modnas_report_opts *opts = nullptr) { // HTML
    return detail::text(*c.state(), [&](char **out) { return modnas_report(c.get(), folder.c_str(), opts, out); });
}
inline void bundle(const context &c, const std::string &folder, const modnas_bundle_opts *opts = nullptr) {
    detail::check(*c.state(), modnas_bundle(c.get(), folder.c_str(), opts));
}
inline std::string verify(const context &c, const std::string &bundle, bool *holds = nullptr, const modnas_verify_opts *opts = nullptr) {
    int32_t good = 0;
    std::string json = detail::text(*c.state(), [&](char **out) { return modnas_verify_json(c.get(), bundle.c_str(), opts, out, &good); });
    if (holds) *holds = good != 0;
    return json;
}

} // namespace modnas

#endif
