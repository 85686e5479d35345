#!/usr/bin/env escript
main([Out]) ->
    application:set_env(mnesia, dir, "/tmp/v2-erl/db"),
    ok = mnesia:create_schema([node()]),
    ok = mnesia:start(),
    {atomic, ok} = mnesia:create_table(emqx_authn_mnesia, [{record_name, user_info}, {attributes, [user_id, password_hash, salt, is_superuser, extra]}, {disc_copies, [node()]}]),
    {atomic, ok} = mnesia:create_table(emqx_acl, [{record_name, emqx_acl}, {attributes, [who, rules]}, {disc_copies, [node()]}]),
    {atomic, ok} = mnesia:create_table(emqx_banned, [{record_name, banned}, {attributes, [who, by, reason, at, until]}, {disc_copies, [node()]}]),
    Hex = fun(B) -> list_to_binary([io_lib:format("~2.16.0b", [X]) || <<X>> <= B]) end,
    Group = 'mqtt:global',
    U = fun(Name, Pw, Salt, Super) -> {user_info, {Group, Name}, Hex(crypto_hash(<<Pw/binary, Salt/binary>>)), Salt, Super, #{}} end,
    Rows = [U(<<"alice">>, <<"wonder">>, <<"51787968ed3d2bf42c48b4cc5d4d5e77">>, true),
            U(<<"bob">>, <<"build">>, <<"aabb">>, false),
            {user_info, {Group, <<"broken">>}, <<"zz">>, <<>>, false, #{}}],
    [ok = mnesia:dirty_write(emqx_authn_mnesia, R) || R <- Rows],
    ok = mnesia:dirty_write(emqx_acl, {emqx_acl, {1, <<"alice">>}, [{allow, publish, <<"a/${clientid}">>}, {deny, all, <<"secret/#">>}]}),
    ok = mnesia:dirty_write(emqx_acl, {emqx_acl, {2, <<"dev1">>}, [{allow, {subscribe, [{qos,[0,1,2]}]}, <<"t/1">>}]}),
    ok = mnesia:dirty_write(emqx_acl, {emqx_acl, 0, [{allow, subscribe, <<"public/#">>}]}),
    ok = mnesia:dirty_write(emqx_banned, {banned, {clientid, <<"x">>}, <<"me">>, <<"r">>, 1, infinity}),
    {ok, Cp, _} = mnesia:activate_checkpoint([{min, [emqx_authn_mnesia]}]),
    [begin {ok, N, _} = mnesia:activate_checkpoint([{min, [T]}]), ok = mnesia:backup_checkpoint(N, filename:join(Out, atom_to_list(T))), mnesia:deactivate_checkpoint(N) end || T <- [emqx_authn_mnesia, emqx_acl, emqx_banned]],
    mnesia:deactivate_checkpoint(Cp).
crypto_hash(B) -> list_to_binary(hash_port(B)).
hash_port(B) -> S = os:cmd("printf %s '" ++ binary_to_list(B) ++ "' | sha256sum"), {ok, [X], _} = io_lib:fread("~s", lists:sublist(S, 64)), unhex(X).
unhex([A,B|T]) -> [list_to_integer([A,B],16)|unhex(T)]; unhex([]) -> [].
