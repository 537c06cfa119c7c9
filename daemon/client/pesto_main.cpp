// pesto: shows and changes the ports that a running passt or pasta forwards. The server tells its tables, we change them here,
// where conflicts are found and named, and send back all of them.
#include "daemon/client/pesto_command.hpp"
#include "daemon/client/pesto_server.hpp"
#include "daemon/client/pesto_tables.hpp"
#include "daemon/config/early_exit.hpp"
#include "daemon/os/host_facts.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <system_error>

namespace tapioca::client {
namespace {

void print(const std::string& text)
{
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
        throw early_exit{1, "Couldn't write to standard output: " + std::generic_category().message(errno) + '\n', false};
}

void note(const std::string& text) { std::fputs(text.c_str(), stderr); }

void run(std::span<const char* const> argv)
{
    const pesto_command command = parse_pesto_command(argv);
    port_range ephemeral = port_spec_context{}.ephemeral;
    if (const auto range = os::ephemeral_ports())
        ephemeral = {range->first, range->second};
    const auto in_debug = [&](const std::string& text) {
        if (command.debug)
            note(text);
    };
    in_debug("debug_flag=1, path=\"" + command.path + "\"\n");

    const auto pifs = std::make_unique<pesto::pif_list>();
    pesto_server server{command.path};
    in_debug("Connected to passt/pasta control socket\n");
    server.receive(*pifs);
    for (const pesto::pif& each : *pifs)
        in_debug(debug_lines(each));
    const auto place = " (" + command.path + ")";
    if (command.steps.empty())
        return print(show_tables("passt/pasta configuration" + place, *pifs));

    if (command.show)
        print(show_tables("Previous configuration" + place, *pifs));
    const table_change change = change_tables(*pifs, command.steps, ephemeral);
    note(change.warnings);
    if (change.to_be_sent)
        server.send(*pifs);
    if (command.show)
        print(show_tables("Updated configuration" + place, *pifs));
}

} // namespace
} // namespace tapioca::client

int main(int argc, char** argv)
{
    try {
        tapioca::client::run({argv, static_cast<std::size_t>(argc)});
        return EXIT_SUCCESS;
    } catch (const tapioca::early_exit& early) {
        std::fputs(early.text.c_str(), early.to_stdout ? stdout : stderr);
        return early.status;
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "%s\n", failure.what());
    }
    return EXIT_FAILURE;
}
