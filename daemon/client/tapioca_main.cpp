// tapioca: shows and changes what running instances of passt and pasta do. tapioca_subcommand.cpp lists what it can.
#include "daemon/client/tapioca_asking.hpp"
#include "daemon/client/tapioca_audit.hpp"
#include "daemon/client/tapioca_capture.hpp"
#include "daemon/client/tapioca_command.hpp"
#include "daemon/client/tapioca_extcap.hpp"
#include "daemon/client/tapioca_subcommand.hpp"
#include "daemon/config/early_exit.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <span>
#include <string_view>

int main(int argc, char** argv)
{
    const std::span<const char* const> words{argv, static_cast<std::size_t>(argc)};
    try {
        if (tapioca::client::is_extcap(words))
            return tapioca::client::run_extcap(words);
        if (words.size() > 1 && std::string_view{words[1]} == "capture")
            return tapioca::client::run_capture(words.subspan(1));
        if (tapioca::client::is_audit_action(words))
            return tapioca::client::run_audit_action(words);
        const auto command = tapioca::client::parse_tapioca_command(words);
        return command.what->run(command);
    } catch (const tapioca::early_exit& early) {
        std::fputs(early.text.c_str(), early.to_stdout ? stdout : stderr);
        return early.status;
    } catch (const std::exception& failure) {
        tapioca::client::complain(failure.what());
    }
    return EXIT_FAILURE;
}
