<?php

/**
 * @file
 * The modules' own code calls every method of a gateway that it ever calls:
 * the functions that pages, cron and the end of a save run, and no copies of
 * them. The gateway has what tests/gateway/drupals_module.rs gave it.
 *
 * calls.php DIRECTORY-OF-THE-MODULES ADDRESS TOKEN SOCKET DATABASE
 */

list(, $modules, $address, $token, $socket, $database) = $argv;
chdir(dirname(__FILE__) .'/small_drupal');
require_once './small_drupal.inc';
small_drupal_connect($socket, $database);
variable_set('audiospread_gateway', $address);
variable_set('audiospread_token', $token);
variable_set('audiospread_wake_key', str_repeat('ab', 32));

require_once "$modules/audiospread/audiospread.install";
require_once "$modules/audiospread_business/audiospread_business.install";
small_drupal_make_tables(audiospread_schema());
small_drupal_make_tables(audiospread_business_schema());
foreach (array('admin', 'gateway', 'messages', 'notify', 'recordings', 'status', 'storage') as $name) {
  module_load_include('inc', 'audiospread', "audiospread.$name");
}
require_once "$modules/audiospread_business/audiospread_business.usage.inc";
require_once "$modules/audiospread_content/audiospread_content.prompts.inc";

/**
 * The cells of the last table that was themed with a row that has this text.
 */
function row_with($text) {
  foreach (array_reverse($GLOBALS['themed']['table']) as $table) {
    foreach ($table[1] as $row) {
      $cells = isset($row['data']) ? $row['data'] : $row;
      if (in_array($text, $cells, TRUE)) {
        return $cells;
      }
    }
  }
  return array();
}

// audiospread.notify, as at the end of a save, which reads no answer, and as on cron.
$node = db_fetch_object(db_query('SELECT vid, changed FROM {node} WHERE nid = 171'));
audiospread_notify_queue('node', 171, 'save', FALSE, $node->vid, $node->changed);
$qid = db_result(db_query('SELECT MAX(qid) FROM {audiospread_queue}'));
audiospread_notify_once($qid);
same(0, variable_get('audiospread_paused_until', 0), 'a change is handed over at the end of a save');
same('1', db_result(db_query('SELECT COUNT(*) FROM {audiospread_queue}')), 'a change waits for cron to confirm it');
audiospread_notify_queue('term', 2, 'save', FALSE, 0, time());
same('', audiospread_notify_confirm(), 'the gateway confirms what changed');
same('0', db_result(db_query('SELECT COUNT(*) FROM {audiospread_queue}')), 'what was confirmed is forgotten');

// audiospread.status, with the settings' test of the connection.
audiospread_admin_settings_test(array(), $node);
same(1, preg_match('/^status: The gateway \(version [0-9.]+\) answered after .* It knows one phone server\.$/', end($said)), 'the connection: '. end($said));
// audiospread.findings too, on the page of both, and on that of a node.
audiospread_status_page();
$row = row_with('everything');
same('has everything', isset($row[1]) ? $row[1] : '', 'the state of the phone server');
audiospread_status_node((object) array('nid' => 350, 'title' => 'A program'));
$row = row_with('error');
same('The recording belongs to a file that was deleted: upload it again.', isset($row[2]) ? $row[2] : '', 'a finding');
audiospread_status_node((object) array('nid' => 171, 'title' => 'A program'));
$items = end($themed['item_list']);
same(1, preg_match('/^On the phone in everything since /', $items[0][0]), 'where a node is: '. $items[0][0]);

// audiospread.recordings.pending: what the gateway offers makes sense to the module, and the bytes are those that were announced.
$answer = audiospread_gateway_call('audiospread.recordings.pending', array(20, variable_get('audiospread_wake_key', '')));
$offered = audiospread_gateway_list($answer->value);
same(1, count($offered), 'recordings that are offered');
foreach (array('title', 'body') as $part) {
  $sound = audiospread_storage_sound($offered[0], $part);
  same(TRUE, is_object($sound), "the $part as it is told: ". (is_string($sound) ? $sound : ''));
  $error = '';
  $path = audiospread_storage_fetch($sound, $error);
  same('', $error, "the $part is fetched");
  same($sound->sha256, $path ? hash_file('sha256', $path) : '', "the bytes of the $part");
  unlink($path);
}
// audiospread.recordings.taken: here are no content types, so it is refused, for an hour.
$taken = audiospread_recordings_take(10);
same(array('', 0), array($taken->error, $taken->made), 'what was taken');
same('refused', db_result(db_query("SELECT state FROM {audiospread_recording} WHERE uuid = '%s'", $offered[0]['uuid'])), 'the recording here');
$answer = audiospread_gateway_call('audiospread.recordings.pending', array(20, variable_get('audiospread_wake_key', '')));
same(array('', array()), array($answer->error, $answer->value), 'what was refused is not offered again at once');

// audiospread.calls.totals.
same('', audiospread_business_read(), 'the sums of the month are read');
$row = db_fetch_object(db_query("SELECT nid, calls, seconds, billable FROM {audiospread_usage} WHERE number = '+221775550111'"));
same(array(TRUE, '1', '100', '100'), array($row->nid > 0, $row->calls, $row->seconds, $row->billable), 'the sums of a number');

// audiospread.prompts, and a prompt's sound.
audiospread_content_prompts_page();
$row = row_with('Merci de votre appel. Au revoir.');
same(array('goodbye', 'fr', 'your recording'), array($row[0], $row[1], $row[3]), 'a prompt');
$digest = substr($themed['audiospread_player'][0][1], -64);
$path = tempnam(file_directory_temp(), 'audiospread');
$answer = audiospread_gateway_http('GET', '/v1/blobs/'. $digest, array('file' => $path, 'bytes' => AUDIOSPREAD_PROMPT_BYTES));
same(array('', $digest), array($answer->error, hash_file('sha256', $path)), 'the sound of a prompt');
unlink($path);

// A fault, a token that is unknown, and nobody who listens.
$answer = audiospread_gateway_call('audiospread.findings', array(0));
same(1, preg_match('/^The gateway says: ./', $answer->error), 'a fault: '. $answer->error);
variable_set('audiospread_token', 'unknown-0123456789');
$answer = audiospread_gateway_call('audiospread.status');
same(1, preg_match('/token/', $answer->error), 'a wrong token: '. $answer->error);
variable_set('audiospread_gateway', 'http://127.0.0.1:1');
$answer = audiospread_gateway_call('audiospread.status');
same(1, preg_match('/^No connection to 127\.0\.0\.1, port 1: /', $answer->error), 'nobody: '. $answer->error);

// Nothing that the modules call was left out.
$named = array();
$files = new RegexIterator(new RecursiveIteratorIterator(new RecursiveDirectoryIterator($modules, FilesystemIterator::SKIP_DOTS)), '/\.(module|inc|install)$/');
foreach ($files as $file) {
  preg_match_all("/audiospread_gateway_(?:call|xml)\('([a-z.]+)'/", file_get_contents($file), $match);
  $named = array_merge($named, $match[1]);
}
$named = array_unique($named);
sort($named);
$called = array_keys($called);
sort($called);
same($named, $called, 'the methods that were called');

all_checked();
